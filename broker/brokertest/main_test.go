package brokertest_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(mutantVariable) != "" { // a mutant may leave what it likes; its own test must find it
		os.Exit(m.Run())
	}
	goleak.VerifyTestMain(m)
}
