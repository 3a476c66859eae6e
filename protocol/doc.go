// Package protocol is Celery's wire format: task messages of protocol 2 and 1, signatures, result documents and events.
//
// It turns bytes into values and back. It does no I/O, starts no goroutine and reads no clock, so that all of it can be
// fuzzed and compared with messages captured from Celery (testdata).
//
//	broker.Message ── Envelope ──► DecodeTask ──► *Task (header: name, id, eta, …)
//	                                   └─ Task.DecodeBody ──► *Body (args, kwargs, embed), once, when the task runs
//	*Task + *Body ──► EncodeTask ──► Envelope
//	Result ──► AppendResult ──► {"status": …, "task_id": …} ──► DecodeResult ──► Result
//	Event ──► AppendEvent ──► {"hostname": …, "type": …} or a list of them ──► DecodeEvents ──► []*Event
package protocol
