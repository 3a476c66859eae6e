// Package testenv gives tests real servers: RabbitMQ, Redis and PostgreSQL, private to the user, on loopback ports.
//
// One server of each kind serves all test processes of a user that run at the same time, because RabbitMQ takes ten
// seconds to start; each test gets its own virtual host, database number or database in it. Tests that must stop,
// kill or configure a server ask for one of their own (OwnRabbitMQ, OwnRedis, OwnPostgres, Sentinel).
//
//	test process ──flock(shared)──► <temp>/umbel-testenv-<uid>/<kind>/users
//	      │ the first one starts
//	      ▼
//	   watcher ──parent of──► server
//
// The watcher is this test binary run again, detached. It ends the server when nobody has held the users lock for a
// while: locks vanish with their processes, however those end, so nothing is left behind by a test that was killed.
// If the watcher itself is killed, the kernel ends its servers (Linux).
//
// A server that is not installed skips the test and names the Debian package; with CI=true in the environment the test
// fails instead.
package testenv
