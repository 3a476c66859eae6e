package amazonmq

import (
	"fmt"
	"strings"
)

// Modes are the deployment modes of RabbitMQ brokers.
var Modes = []string{"SINGLE_INSTANCE", "CLUSTER_MULTI_AZ"}

// CheckPassword says what AWS has against a broker user's password; "" if nothing.
func CheckPassword(password string) string {
	distinct := make(map[rune]bool)
	for _, r := range password {
		distinct[r] = true
	}
	switch {
	case len(password) < 12:
		return fmt.Sprintf("it has %d characters, AWS wants 12", len(password))
	case len(distinct) < 4:
		return fmt.Sprintf("it has %d different characters, AWS wants 4", len(distinct))
	case strings.ContainsAny(password, ",:="):
		return "it contains one of , : = which AWS refuses"
	}
	return ""
}
