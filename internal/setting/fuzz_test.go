package setting

import "testing"

// Whatever a file holds, it is read or refused: never a panic, never without end, and what is wrong has a place.
func FuzzFile(f *testing.F) {
	f.Add([]byte("broker_url: amqp://a//\ntask_routes: {a.*: {queue: b}}\n"), false)
	f.Add([]byte("task_queues: [{name: a, max_priority: 3}, b]\nbroker_use_ssl: {ca_certs: x}\n"), false)
	f.Add([]byte("a: &a [x]\nb: *a\nc: {<<: *a}\n"), false)
	f.Add([]byte("task_publish_retry_policy: {max_retries: null, interval_step: 1s}\nresult_expires: .inf\n"), false)
	f.Add([]byte("[task_routes.\"a.*\"]\nqueue = 'b'\n[[task_queues]]\nname = 'a'\nexchange.name = 'e'\n"), true)
	f.Add([]byte("accept_content = [ 'a', # c\n 'b']\nresult_expires = 1_000\nbeat_schedule = {a = {b = 2026-01-01}}\n"), true)
	f.Fuzz(func(t *testing.T, text []byte, isTOML bool) {
		read := readYAML
		if isTOML {
			read = readTOML
		}
		root, problems := read("f", text)
		if (root == nil) != (len(problems) > 0) && root == nil {
			t.Fatal("neither a value nor a problem")
		}
		if root == nil || root.Kind != Mapping {
			return
		}
		for _, m := range root.Members {
			s, ok := Lookup(m.Name)
			if !ok {
				unknown(m.Name)
				continue
			}
			r := reader{setting: s, spelt: m.Name}
			v := r.value(m.Value)
			s.Mask(v)
			for _, p := range r.problems {
				if p.Place.File != "f" || p.Text == "" {
					t.Fatalf("problem without a place: %+v", p)
				}
			}
		}
	})
}

// Every setting reads any text that a variable may hold.
func FuzzVariable(f *testing.F) {
	f.Add("task_routes", `{"a.*": "q"}`)
	f.Add("broker_url", "amqp://u:p@h//;amqp://i")
	f.Add("redis_socket_timeout", "1m30s")
	f.Add("accept_content", "[json, yaml]")
	f.Add("worker_pool", "prefork")
	f.Fuzz(func(t *testing.T, name, text string) {
		s, ok := Lookup(name)
		if !ok {
			return
		}
		r := reader{setting: s, spelt: name}
		v := r.value(&Node{Kind: Loose, Text: text, Place: Place{Variable: "V"}})
		s.Mask(v)
		for _, p := range r.problems {
			if p.Place.Variable != "V" {
				t.Fatalf("problem without a place: %+v", p)
			}
		}
	})
}
