package doctor

import (
	"strings"

	"github.com/umbel-go/umbel/internal/python"
)

// isPickle tells whether a serializer or content type is one whose reading runs code.
func isPickle(n *python.Node) bool {
	return n != nil && n.Kind == python.String && (strings.Contains(n.Text, "pickle") || strings.Contains(n.Text, "python-serialize"))
}

func pickle(s *system, report func(Finding)) {
	for _, name := range []string{"accept_content", "result_accept_content"} {
		s.each(name, func(a assigned) {
			for _, item := range a.Items {
				if a.celery && isPickle(item) {
					report(Finding{
						Severity: High, Verdict: Dangerous, Place: a.at(item),
						What:    a.spelt + " takes pickle",
						Why:     "reading one runs code that its sender chose: whoever may publish to a queue, or write to the result store, has every worker. Umbel's workers refuse it always.",
						Instead: a.spelt + ` = ["json"], when all who send have task_serializer = "json"`,
					})
				}
			}
		})
	}
	for _, name := range []string{"task_serializer", "result_serializer"} {
		s.each(name, func(a assigned) {
			if a.celery && isPickle(a.Node) {
				report(Finding{
					Severity: Medium, Verdict: Dangerous, Place: a.Place,
					What:    a.spelt + " is pickle",
					Why:     "whoever reads it must take pickle, and runs what anybody sends who may. Workers in Go and other languages cannot read it.",
					Instead: a.spelt + ` = "json"`,
				})
			}
		})
	}
}
