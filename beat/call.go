package beat

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/schedule"
)

// call is the message of a tick.
func (l *loop) call(t tick) umbel.Call {
	c := entryCall(t.item.entry)
	c.Options = append(c.Options, umbel.TaskID(t.id), umbel.Header(umbel.TickHeader, t.slot.UTC().Format(time.RFC3339Nano)+" "+uuid.NewString()))
	return c
}

// entryCall is the message of an entry.
func entryCall(e umbel.ScheduleEntry) umbel.Call {
	in := append(umbel.Args{}, e.Args...)
	if len(e.Kwargs) > 0 {
		in = append(in, umbel.Kwargs(e.Kwargs))
	}
	c := umbel.Call{Name: e.Task, Input: in}
	if len(e.Args) > 0 { // Celery's beat has lists where others have tuples
		c.Options = append(c.Options, umbel.ReprArgs(codec.Repr(e.Args), codec.ReprKwargs(named(e.Kwargs))))
	}
	for _, name := range slices.Sorted(maps.Keys(e.Options)) {
		c.Options = append(c.Options, sendOption(name, e.Options[name])...)
	}
	if e.Overlap != "" && e.Overlap != schedule.Allow {
		c.Options = append(c.Options, umbel.StoreResult()) // it is asked for
	}
	return c
}

// named are keyword arguments in the order in which they are sent.
func named(kwargs map[string]any) []codec.NamedValue {
	var out []codec.NamedValue
	for _, name := range slices.Sorted(maps.Keys(kwargs)) {
		out = append(out, codec.NamedValue{Name: name, Value: codec.Of(kwargs[name])})
	}
	return out
}

// sendOption is an option of an entry, which was checked when it was read.
func sendOption(name string, v any) []umbel.SendOption {
	text := fmt.Sprint(v)
	switch name {
	case "queue":
		return []umbel.SendOption{umbel.Queue(text)}
	case "exchange":
		return []umbel.SendOption{umbel.Exchange(text)}
	case "routing_key":
		return []umbel.SendOption{umbel.RoutingKey(text)}
	case "priority":
		return []umbel.SendOption{umbel.Priority(uint8(schedule.Number(v)))}
	case "expires":
		return []umbel.SendOption{umbel.ExpiresIn(schedule.Seconds(v))}
	case "countdown":
		return []umbel.SendOption{umbel.Countdown(schedule.Seconds(v))}
	case "time_limit":
		return []umbel.SendOption{umbel.TimeLimit(schedule.Seconds(v))}
	case "soft_time_limit":
		return []umbel.SendOption{umbel.SoftTimeLimit(schedule.Seconds(v))}
	case "serializer":
		return []umbel.SendOption{umbel.Serializer(text)}
	case "compression":
		return []umbel.SendOption{umbel.Compression(text)}
	case "shadow":
		return []umbel.SendOption{umbel.Shadow(text)}
	case "ignore_result":
		if v == true {
			return []umbel.SendOption{umbel.IgnoreResult()}
		}
		return []umbel.SendOption{umbel.StoreResult()}
	case "delivery_mode":
		if schedule.Number(v) == 1 || v == "transient" {
			return []umbel.SendOption{umbel.Transient()}
		}
	case "headers":
		headers, _ := v.(map[string]any)
		var o []umbel.SendOption
		for _, k := range slices.Sorted(maps.Keys(headers)) {
			o = append(o, umbel.Header(k, headers[k]))
		}
		return o
	}
	return nil
}
