package doctor

import (
	"os"
	"strings"
	"testing"
)

func TestTheManualListsEveryRule(t *testing.T) {
	text, err := os.ReadFile("../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(text), "## Rules\n\n| rule | finds |\n|---|---|\n")
	var want strings.Builder
	for _, r := range Rules() {
		want.WriteString("| `" + r.Name + "` | " + r.About + " |\n")
	}
	if !ok || table != want.String() {
		t.Errorf("docs/doctor.md must end with this table:\n%s", want.String())
	}
}
