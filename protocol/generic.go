package protocol

import (
	"fmt"

	"github.com/umbel-go/umbel/codec"
)

// Messages as generic values, for the serializers that are not JSON.

func (b *Body) generic() (any, error) {
	args, err := genericArray(b.Args)
	if err != nil {
		return nil, fmt.Errorf("args: %w", err)
	}
	kwargs, err := genericObject(b.Kwargs)
	if err != nil {
		return nil, fmt.Errorf("kwargs: %w", err)
	}
	embed, err := genericObject(b.Embed.Extra)
	if err != nil {
		return nil, fmt.Errorf("embed: %w", err)
	}
	if embed["callbacks"], err = genericSignatures(b.Embed.Callbacks); err != nil {
		return nil, fmt.Errorf("callbacks: %w", err)
	}
	if embed["errbacks"], err = genericSignatures(b.Embed.Errbacks); err != nil {
		return nil, fmt.Errorf("errbacks: %w", err)
	}
	if embed["chain"], err = genericSignatures(b.Embed.Chain); err != nil {
		return nil, fmt.Errorf("chain: %w", err)
	}
	embed["chord"] = nil
	if b.Embed.Chord != nil {
		if embed["chord"], err = b.Embed.Chord.generic(); err != nil {
			return nil, fmt.Errorf("chord: %w", err)
		}
	}
	return []any{args, kwargs, embed}, nil
}

func (s *Signature) generic() (map[string]any, error) {
	out, err := genericObject(s.Extra)
	if err != nil {
		return nil, fmt.Errorf("signature %q: %w", s.Task, err)
	}
	if out["args"], err = genericArray(s.Args); err != nil {
		return nil, fmt.Errorf("signature %q: args: %w", s.Task, err)
	}
	if out["kwargs"], err = genericObject(s.Kwargs); err != nil {
		return nil, fmt.Errorf("signature %q: kwargs: %w", s.Task, err)
	}
	if out["options"], err = genericObject(s.Options); err != nil {
		return nil, fmt.Errorf("signature %q: options: %w", s.Task, err)
	}
	out["task"] = s.Task
	out["subtask_type"] = orNull(s.SubtaskType)
	out["immutable"] = s.Immutable
	return out, nil
}

// genericSignatures keeps the difference between null and an empty list.
func genericSignatures(list []*Signature) (any, error) {
	if list == nil {
		return nil, nil
	}
	out := make([]any, len(list))
	for i, s := range list {
		if s == nil {
			continue
		}
		v, err := s.generic()
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		out[i] = v
	}
	return out, nil
}

func genericArray(items []codec.Value) ([]any, error) {
	out := make([]any, len(items))
	for i, item := range items {
		v, err := item.Any()
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		out[i] = v
	}
	return out, nil
}

func genericObject(fields []codec.NamedValue) (map[string]any, error) {
	out := make(map[string]any, len(fields)+4)
	for _, f := range fields {
		v, err := f.Value.Any()
		if err != nil {
			return nil, fmt.Errorf("%q: %w", f.Name, err)
		}
		out[f.Name] = v
	}
	return out, nil
}
