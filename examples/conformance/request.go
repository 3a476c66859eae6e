package main

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/protocol"
)

func registerRequests(app *umbel.App) {
	ids := func(ctx context.Context, i any) []any {
		r := umbel.RequestFrom(ctx)
		return []any{orNil(r.RootID), orNil(r.ParentID), i}
	}
	register(app, "ids", func(ctx context.Context, in struct {
		I any `json:"i"`
	}) ([]any, error) {
		return ids(ctx, in.I), nil
	})
	register(app, "collect_ids", func(ctx context.Context, in struct {
		Res any `json:"res"`
		I   any `json:"i"`
	}) ([]any, error) {
		return []any{in.Res, ids(ctx, in.I)}, nil
	})
	register(app, "return_priority", func(ctx context.Context, _ umbel.Args) (string, error) {
		return fmt.Sprintf("Priority: %v", priority(ctx, "None")), nil
	})
	register(app, "return_properties", func(ctx context.Context, _ struct{}) (map[string]any, error) {
		p, t := umbel.RequestFrom(ctx).Task().Properties, umbel.RequestFrom(ctx).Task()
		m := map[string]any{"content_type": p.ContentType, "content_encoding": p.ContentEncoding, "delivery_mode": p.DeliveryMode,
			"correlation_id": p.CorrelationID, "reply_to": p.ReplyTo, "application_headers": headers(t)}
		if p.HasPriority {
			m["priority"] = p.Priority
		}
		if p.AppID != "" {
			m["app_id"] = p.AppID
		}
		return m, nil
	})
	limits := func(ctx context.Context, _ struct{}) (map[string]any, error) {
		t := umbel.RequestFrom(ctx).Task()
		return map[string]any{"time_limit": limit(t.TimeLimit), "soft_time_limit": limit(t.SoftTimeLimit)}, nil
	}
	register(app, "return_request_time_limits", limits)
	register(app, "task_with_declared_time_limits", limits, umbel.TimeLimit(60*time.Second), umbel.SoftTimeLimit(45*time.Second))
	register(app, "reject_then_succeed", func(ctx context.Context, _ umbel.Args) (string, error) {
		if !umbel.RequestFrom(ctx).Redelivered {
			return "", umbel.Reject(true, "first pass")
		}
		return "second-pass", nil
	}, umbel.AcksLate())
	register(app, "store_success_then_reject", func(ctx context.Context, _ umbel.Args) (string, error) {
		r := umbel.RequestFrom(ctx)
		if r.Redelivered {
			return "dedup-pass", nil
		}
		if err := r.UpdateState(ctx, umbel.Success, "first-pass"); err != nil {
			return "", err
		}
		return "", umbel.Reject(true, "first pass")
	}, umbel.AcksLate())
}

func priority(ctx context.Context, none any) any {
	if p := umbel.RequestFrom(ctx).Task().Properties; p.HasPriority {
		return p.Priority
	}
	return none
}

// headers are a message's, of its own and of the protocol.
func headers(t *protocol.Task) map[string]any {
	h := map[string]any{"lang": t.Lang, "task": t.Name, "id": t.ID, "root_id": orNil(t.RootID), "parent_id": orNil(t.ParentID),
		"group": orNil(t.Group), "retries": t.Retries, "origin": t.Origin, "argsrepr": t.ArgsRepr, "kwargsrepr": t.KwargsRepr}
	maps.Copy(h, t.Headers)
	return h
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func limit(d time.Duration) any {
	switch {
	case d == 0:
		return nil
	case d%time.Second == 0:
		return int64(d / time.Second)
	}
	return d.Seconds()
}
