package protocol_test

import (
	"fmt"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// A message is read in two steps: its header when it arrives, its body when the task runs.
func ExampleDecodeTask() {
	env := &protocol.Envelope{
		Properties: protocol.Properties{ContentType: "application/json", ContentEncoding: "utf-8"},
		Headers: protocol.Table{
			"task": "orders.charge", "id": "7f0f7a92", "retries": int32(1), "eta": "2026-11-23T09:57:24.051801+00:00",
		},
		Body: []byte(`[[42.5], {"currency": "EUR"}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`),
	}
	task, err := protocol.DecodeTask(env, protocol.DecodeOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(task.Name, task.ID, task.Retries, task.ETA)

	body, err := task.DecodeBody(protocol.DecodeOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var total float64
	if err := body.Args[0].Decode(&total); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(total, body.Kwargs[0].Name)
	// Output:
	// orders.charge 7f0f7a92 1 2026-11-23 09:57:24.051801 +0000 UTC
	// 42.5 currency
}

func ExampleEncodeTask() {
	env, err := protocol.EncodeTask(
		&protocol.Task{Name: "orders.charge", ID: "7f0f7a92"},
		&protocol.Body{Args: []codec.Value{codec.Of(42)}},
		protocol.EncodeOptions{},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(env.Headers["task"], env.Headers["argsrepr"])
	fmt.Printf("%s\n", env.Body)
	// Output:
	// orders.charge (42,)
	// [[42], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]
}

func ExampleAppendResult() {
	failed := &protocol.Exception{Type: "ValueError", Module: "builtins", Message: []codec.Value{codec.Of("no such card"), codec.Of(42)}}
	doc, err := protocol.AppendResult(nil, &protocol.Result{TaskID: "7f0f7a92", Status: protocol.Failure, Result: failed.Value()})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", doc)
	fmt.Println(failed.Repr())
	// Output:
	// {"status": "FAILURE", "result": {"exc_type": "ValueError", "exc_message": ["no such card", 42], "exc_module": "builtins"}, "traceback": null, "children": null, "date_done": null, "task_id": "7f0f7a92"}
	// ValueError('no such card', 42)
}
