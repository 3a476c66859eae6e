package amazonmq

// The deployment modes of RabbitMQ brokers.
const (
	Single  = "SINGLE_INSTANCE"
	Cluster = "CLUSTER_MULTI_AZ"
)

// Modes are the deployment modes of RabbitMQ brokers.
var Modes = []string{Single, Cluster}
