// Package notice hears from the platform that this machine or container is about to be stopped.
//
//	spot        EC2's metadata service says when the instance is taken back   (two minutes ahead)
//	rebalance   EC2's metadata service says that this may happen soon
//	ecs         the container's metadata say that ECS wants its task stopped
//
// A notice is polled for, since that is how it is given: nothing is asked where nobody wants to know.
package notice
