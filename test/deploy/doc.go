// Package deploy reads what umbel render writes, and what lies in deploy/, by the parsers and schemas of those who will read
// it: the AWS SDK, the API types of Kubernetes, KEDA's own definition, the loader of Compose, systemd, Prometheus. It is a module
// of its own, so that Umbel's does not know them.
package deploy
