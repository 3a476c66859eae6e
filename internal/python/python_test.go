package python

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExpressions(t *testing.T) {
	for source, want := range map[string]string{
		"1":                             "1",
		"-1_000":                        "-1000",
		"60 * 60 * 24":                  "86400",
		"0x1f":                          "31",
		"2 ** 10 - 24":                  "1000",
		"1.5e3":                         "1500",
		"7 // 2":                        "3",
		"-7 // 2":                       "-4",
		"1 / 4":                         "0.25",
		"1e400":                         "1e400", // no number: as it stands
		"'a' \"b\" '''c'''":             "'abc'",
		`'it\'s' "\n\x41\u00e9"`:        `"it's\nAé"`,
		`r'\d+'`:                        `'\\d+'`,
		"b'ab'":                         "b'ab'",
		"'a' + 'b'":                     "'ab'",
		"f'{x}'":                        "f'{x}'",
		"f'{x}' 'b'":                    "f'{x}' 'b'",
		"[1, 2,]":                       "[1, 2]",
		"[1] + [2]":                     "[1, 2]",
		"()":                            "()",
		"(1,)":                          "(1,)",
		"1, 2":                          "(1, 2)",
		"(1)":                           "1",
		"{'a': {'b': None}, **c}":       "{'a': {'b': None}, **c}",
		"{1, 2}":                        "{1, 2}",
		"{}":                            "{}",
		"ssl.CERT_REQUIRED":             "ssl.CERT_REQUIRED",
		"os.environ['A']":               "os.environ['A']",
		"os.environ.get('A', 'b')":      "os.environ.get('A', 'b')",
		"f(*a, b=1, **c)":               "f(*a, b=1, **c)",
		"a[1:2]":                        "a[1:2]",
		"x if y else z":                 "x if y else z",
		"lambda x, y=1: x":              "lambda x, y=1: x",
		"[x for x in y if z]":           "[x for x in y if z]",
		"{k: v for k, v in d.items()}":  "{k: v for k, v in d.items()}",
		"sum(x for x in y)":             "sum(x for x in y)",
		"not a or b and c":              "not a or b and c",
		"a not in b":                    "a not in b",
		"a is not None":                 "a is not None",
		"(\n  1 # one\n)":               "1",
		"1 + \\\n 2":                    "3",
		"f(x)(y).z":                     "f(x)(y).z",
		"True":                          "True",
		"await x":                       "await x",
		"crontab(hour='*/2', minute=0)": "crontab(hour='*/2', minute=0)",
		"timedelta(seconds=30)":         "timedelta(seconds=30)",
		"os.getenv('A') or 'b'":         "os.getenv('A') or 'b'",
		"'%s' % x":                      "'%s' % x",
		"'%s-%d%%' % ('a', 2)":          "'a-2%'",
		"'%s' % (1, 2)":                 "'%s' % (1, 2)", // Python fails on it
		"'%(a)s' % {'a': 1}":            "'%(a)s' % {'a': 1}",
		"f'{{{1}}}' 'b' f\"{'c'}\"":     "'{1}bc'",
		"f'{x!r}'":                      "f'{x!r}'",
		"f'{1:>3}'":                     "f'{1:>3}'",
		"f'{'":                          "f'{'", // no Python
		"f'\\n{1}'":                     "f'\\n{1}'",
		"dict(a=1, **b)":                "{'a': 1, **b}",
		"dict(x)":                       "dict(x)",
		"int('5')":                      "5",
		"int('x')":                      "int('x')",
		"int(2.9)":                      "2",
		"float('1.5')":                  "1.5",
		"str(5)":                        "'5'",
		"bool('')":                      "False",
		"tuple([1])":                    "(1,)",
		"{'a': 1} | {'b': 2}":           "{'a': 1, 'b': 2}",
		"...":                           "...",
	} {
		m := Read("x = " + source + "\n")
		if len(m.Skipped) > 0 || len(m.Statements) != 1 || m.Statements[0].Target.Text != "x" {
			t.Errorf("%s: %+v", source, m)
			continue
		}
		if got := m.Statements[0].Value.String(); got != want {
			t.Errorf("%s is %s, want %s", source, got, want)
		}
	}
}

// say is a statement on one line.
func say(s Statement) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d %s", s.Line, strings.Join(append(append([]string(nil), s.In...), s.Under...), "/"))
	for _, d := range s.Decorators {
		out.WriteString(" @" + d.String())
	}
	switch {
	case s.Name != "":
		out.WriteString(" " + s.Name)
	case s.Target != nil:
		out.WriteString(" " + s.Target.String() + " " + s.Sign + " " + s.Value.String())
	default:
		out.WriteString(" " + s.Value.String())
	}
	return out.String()
}

func TestAModuleIsReadInOrder(t *testing.T) {
	m := Read(`"""Settings."""
import os
from celery import (
    Celery,
)

app = Celery('shop')
if os.environ.get("MODE") == 'production':
    app.conf.update(
        a=1,
    )
    if x: b = 2; c = 3
elif y:
    pass
else:
	app.conf['d'] = 4
CELERY_E: int = 5
f = g = 6
h += 7
@shared_task(rate_limit='100/m')
@other
def task(self, x: dict = {"a": lambda: 1}) -> None:
    inside = 8

    @app.task
    def deeper(): return 9
class Config(object):
    broker_url = 'amqp://'
last = 10`)
	var got []string
	for _, s := range m.Statements {
		got = append(got, say(s))
	}
	want := []string{
		`1  'Settings.'`, `7  app = Celery('shop')`,
		`9 if os.environ.get("MODE") == 'production' app.conf.update(a=1)`,
		`12 if os.environ.get("MODE") == 'production'/if x b = 2`, `12 if os.environ.get("MODE") == 'production'/if x c = 3`,
		`16 else app.conf['d'] = 4`, `17  CELERY_E = 5`, `18  f = 6`, `18  g = 6`, `19  h += 7`,
		`22  @shared_task(rate_limit='100/m') @other task`, `23 task inside = 8`, `26 task @app.task deeper`,
		`27  Config`, `28 Config broker_url = 'amqp://'`, `29  last = 10`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("read\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(m.Skipped) != 0 {
		t.Errorf("skipped %v", m.Skipped)
	}
}

func TestMatchAndCaseAreStatementsAndNames(t *testing.T) {
	m := Read("match mode:\n    case 'a' | 'b': x = 1\n    case _:\n        x = 2\nmatch = 3\ncase: int = 4\nmatch(5)\nmatch[6]\n")
	var got []string
	for _, s := range m.Statements {
		got = append(got, say(s))
	}
	want := []string{"2 match mode/case 'a' | 'b' x = 1", "4 match mode/case _ x = 2", "5  match = 3", "6  case = 4", "7  match(5)", "8  match[6]"}
	if d := cmp.Diff(want, got); d != "" || len(m.Skipped) > 0 {
		t.Errorf("%s%v", d, m.Skipped)
	}
}

func TestImportsAreRead(t *testing.T) {
	m := Read("import os, a.b.c\nimport celery as c\nfrom celery import (Celery,  # the app\n    shared_task as st,\n)\nfrom ..base import *\nfrom . import x; y = 1\nfrom ...a.b import c\n")
	want := []Import{
		{1, 0, "os", "", "os"}, {1, 0, "a.b.c", "", "a"}, {2, 0, "celery", "", "c"}, {3, 0, "celery", "Celery", "Celery"}, {3, 0, "celery", "shared_task", "st"},
		{6, 2, "base", "*", "*"}, {7, 1, "", "x", "x"}, {8, 3, "a.b", "c", "c"},
	}
	if d := cmp.Diff(want, m.Imports); d != "" {
		t.Error(d)
	}
	if len(m.Statements) != 1 || len(m.Skipped) > 0 {
		t.Errorf("%v %v", m.Statements, m.Skipped)
	}
}

func TestWhatCannotBeReadIsNamedAndPassed(t *testing.T) {
	m := Read("a = 1\nb = = 2\nc = 'open\nd = 4 5\ne = f(1\n")
	if len(m.Statements) != 1+1 { // d = 4 is read before the 5 is found
		t.Errorf("%d statements", len(m.Statements))
	}
	var lines []int
	for _, s := range m.Skipped {
		lines = append(lines, s.Line)
		if s.Why == "" {
			t.Errorf("line %d: no reason", s.Line)
		}
	}
	if fmt.Sprint(lines) != "[2 3 4 5]" {
		t.Errorf("skipped %v", m.Skipped)
	}
	deep := Read("x = " + strings.Repeat("[", 100000) + "\ny = " + strings.Repeat("not ", 100000) + "1\n" + strings.Repeat("-", 1000) + "1\n")
	if len(deep.Statements) != 0 || len(deep.Skipped) == 0 {
		t.Errorf("%d statements, skipped %v", len(deep.Statements), deep.Skipped)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"a = 1\n", "if x:\n  y = [1, {'a': f\"b\"}]\n", "@d\ndef f(): pass\n", "x = '''a\n'''\\\n + 1", "a = lambda: (yield)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		for _, s := range Read(source).Statements {
			_ = say(s)
		}
	})
}

func TestSignaturesAreRead(t *testing.T) {
	m := Read(`
@app.task(bind=True)
async def f(self, a: int, /, b: "list[Row]" = (1, 2), *rest: str, c: Optional[int] = None, d=lambda x: {1: 2}, **more) -> dict[str, int]:
    "What it does."
    x = 1

def g(*, only: bool): pass
def h(a, b=f(1)[2:3],
      c="x" "y",  # a comment
      ): return a
class K(Base, metaclass=Meta):
    def m(self): ...
def broken[T](a: T) -> T: pass
`)
	var got []string
	for _, s := range m.Statements {
		if s.Name == "" {
			continue
		}
		text := s.Name
		for _, p := range s.Params {
			text += " " + p.Star + p.Name
			if p.KeywordOnly {
				text += "!"
			}
			if p.Annotation != nil {
				text += ":" + p.Annotation.String()
			}
			if p.Default != nil {
				text += "=" + p.Default.String()
			}
		}
		if s.Returns != nil {
			text += " -> " + s.Returns.String()
		}
		for _, b := range s.Bases {
			text += " < " + b.String()
		}
		if s.Opaque {
			text += " ?"
		}
		got = append(got, text)
	}
	want := []string{
		`f self a:int b:'list[Row]'=(1, 2) *rest:str c!:Optional[int]=None d!=lambda x: {1: 2} **more! -> dict[(str, int)]`,
		"g only!:bool", "h a b=f(1)[2:3] c='xy'", "K < Base", "m self", "broken ?",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(m.Skipped) > 0 {
		t.Errorf("%+v", m.Skipped)
	}
}
