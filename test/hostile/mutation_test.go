package hostile

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// A generator makes messages that were task messages once. The same seed makes the same messages.
type generator struct {
	*rand.Rand
	made int
}

func newGenerator(seed uint64) *generator { return &generator{Rand: rand.New(rand.NewPCG(seed, 7))} }

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// next is a message: one in ten as it should be, one in twenty of nothing but noise, the others changed in a few places.
func (g *generator) next() *broker.Message {
	g.made++
	m := g.good()
	switch n := g.IntN(20); {
	case n < 2:
	case n == 2:
		m.Headers, m.Body = g.table(2), g.noise(g.IntN(300))
		m.Properties.ContentType = pick(g, "", "application/json", "application/data")
	default:
		for range 1 + g.IntN(4) {
			g.change(m)
		}
	}
	m.RoutingKey = "hostile"
	return m
}

func (g *generator) good() *broker.Message {
	id := fmt.Sprintf("hostile-%06d", g.made)
	t := &protocol.Task{ID: id, Name: pick(g, "hostile.raw", "hostile.raw", "hostile.struct", "hostile.nobody"), Lang: "py", RootID: id,
		Origin: "gen1@host", ArgsRepr: "(1,)", KwargsRepr: "{}", Retries: g.IntN(2)}
	body := &protocol.Body{Args: []codec.Value{codec.Of(g.IntN(100))}, Kwargs: []codec.NamedValue{{Name: "note", Value: codec.Of("x")}}}
	env, err := protocol.EncodeTask(t, body, protocol.EncodeOptions{Now: time.Now(), Protocol: pick(g, 2, 2, 2, 1),
		Serializer: pick(g, "json", "json", "json", "yaml", "msgpack"), Compression: pick(g, "", "", "", "gzip", "bzip2", "xz", "zstd", "brotli")})
	if err != nil {
		panic(err) // a good message can be written
	}
	return &broker.Message{Envelope: *env}
}

func (g *generator) change(m *broker.Message) {
	switch g.IntN(9) {
	case 0, 1:
		names := []string{"x-odd"}
		for name := range m.Headers {
			names = append(names, name)
		}
		slices.Sort(names) // a map's order is no seed's
		m.Headers[pick(g, names...)] = g.value(3)
	case 2:
		for _, name := range []string{pick(g, "id", "task", "lang", "retries", "eta", "timelimit", "argsrepr", "root_id", "compression")} {
			delete(m.Headers, name)
		}
	case 3:
		m.Properties.ContentType = pick(g, "", "application/json", "application/x-yaml", "application/x-msgpack", "application/x-python-serialize",
			"application/data", "text/plain", "application/nothing", string(g.noise(8)), strings.Repeat("t", 200))
	case 4:
		m.Properties.ContentEncoding = pick(g, "", "utf-8", "binary", "latin-1", "ascii", "us-ascii", "utf-16", "klingon", strings.Repeat("e", 200))
	case 5:
		m.Headers["compression"] = pick[any](g, "application/x-gzip", "application/x-bz2", "application/x-lzma", "application/zstd", "application/x-brotli",
			"gzip", "", "application/nothing", int32(7), nil, []any{"gzip"})
	case 6:
		m.Body = g.spoil(m.Body)
	case 7:
		m.Body = []byte(pick(g, hostileBodies...))
	case 8:
		p := &m.Properties
		p.CorrelationID = pick(g, "", "other", strings.Repeat("c", 255))
		p.ReplyTo = pick(g, "", "nowhere", strings.Repeat("r", 255))
		p.HasPriority, p.Priority = true, uint8(g.IntN(256))
		p.DeliveryMode = pick(g, protocol.Transient, protocol.Persistent)
		p.Type, p.AppID, p.MessageID = string(g.noise(4)), "app", strings.Repeat("m", g.IntN(255))
	}
}

// spoil damages bytes: cut short, bits flipped, pieces doubled, taken away or replaced.
func (g *generator) spoil(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) == 0 {
		return g.noise(20)
	}
	at := g.IntN(len(b))
	switch g.IntN(5) {
	case 0:
		return b[:at]
	case 1:
		for range 1 + g.IntN(4) {
			b[g.IntN(len(b))] ^= 1 << g.IntN(8)
		}
		return b
	case 2:
		return slices.Concat(b[:at], b)
	case 3:
		return slices.Concat(b[:at], g.noise(1+g.IntN(8)), b[at:])
	default:
		return b[at:]
	}
}

func (g *generator) noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return b
}

func (g *generator) table(depth int) protocol.Table {
	t := protocol.Table{}
	for range g.IntN(5) {
		t[pick(g, "id", "task", "eta", "expires", "retries", "timelimit", "stamps", "stamped_headers", "x-death", "x", "compression", "group_index")] = g.value(depth - 1)
	}
	return t
}

// value is anything that a header can hold. No date is in the future: a worker would rightly keep such a task.
func (g *generator) value(depth int) any {
	n := 22
	if depth <= 0 {
		n = 19
	}
	switch g.IntN(n) {
	case 0:
		return nil
	case 1:
		return g.IntN(2) == 0
	case 2:
		return int32(g.Uint32())
	case 3:
		return pick[int64](g, math.MinInt64, math.MaxInt64, -1, 1<<53)
	case 4:
		return pick(g, math.Inf(1), math.Inf(-1), math.NaN(), math.Copysign(0, -1), 1e308, 5e-324)
	case 5:
		return ""
	case 6:
		return string(g.noise(g.IntN(40)))
	case 7:
		return strings.Repeat("é", g.IntN(5000))
	case 8:
		return g.noise(g.IntN(40))
	case 9:
		return time.Unix(int64(g.Uint32()>>2), 0)
	case 10:
		return "2020-01-02T03:04:05.678901+00:00"
	case 11:
		return pick(g, "yesterday", "2020-13-45T99:99:99", "0000-00-00", "2020-01-02T03:04:05+99:99", "-1")
	case 12:
		return pick(g, "None", "null", "{}", "[]", "0", "1e999")
	case 13:
		return "id\x00with\nodd\u2028characters"
	case 14:
		return pick(g, "../../etc/passwd", "%s%n%d", "'; DROP TABLE tasks; --", "{{.}}", "\x1b[31m")
	case 15:
		return []any{}
	case 16:
		return []any{0.001, -1.0}
	case 17:
		return []any{"a", int32(1), nil}
	case 18:
		return protocol.Table{}
	case 19:
		return g.table(depth)
	case 20:
		return []any{g.value(depth - 1), g.value(depth - 1)}
	default:
		var deep any = "bottom"
		for range 60 {
			deep = []any{deep}
		}
		return deep
	}
}

// hostileBodies are bodies that have brought down parsers.
var hostileBodies = []string{
	"", " ", "null", "0", `""`, "[]", "{}", "[[],{}]", "[[],{},{},{}]", "[{},[],{}]", `["args",{},{}]`, "[[],[],[]]", "[[],{},null]",
	"[[1],{},{\"callbacks\":7}]", "[[1],{},{\"chain\":[[[]]]}]", "[[1],{},{\"chord\":\"x\"}]", "[[1],{},{\"errbacks\":[null]}]",
	strings.Repeat("[", 200_000), strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), strings.Repeat(`{"a":`, 100_000),
	"[[" + strings.Repeat("9", 100_000) + "],{},{}]", "[[1e999999999],{},{}]", "[[-1e-999999999],{},{}]", "[[NaN,Infinity],{},{}]",
	"[[\"\\ud800\"],{},{}]", "[[\"\xff\xfe\"],{},{}]", "\xef\xbb\xbf[[],{},{}]", "[[1],{\"a\":1,\"a\":2},{}]", "[[1],{\"\":1},{}]",
	`[[{"__type__":"datetime","__value__":"tomorrow"}],{},{}]`, `[[{"__type__":"decimal","__value__":"` + strings.Repeat("1", 50_000) + `"}],{},{}]`,
	`[[{"__type__":"uuid","__value__":{"hex":"zz"}}],{},{}]`, `[[{"__type__":"base64","__value__":"%%%"}],{},{}]`, `[[{"__type__":{}}],{},{}]`,
	"&a [&b [*a, *a], *b]", "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]", "!!python/object/apply:os.system ['true']",
	"- - - - - - -", "? ? ? ? ?", "{a: [", "\x00", "%YAML 9.9\n---\n[]", "<<: *x",
	"\xdf\xff\xff\xff\xff", "\xdd\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff\x01", "\xdb\xff\xff\xff\xff", strings.Repeat("\x91", 200_000), strings.Repeat("\x81\xa1a", 100_000), "\xc1",
	"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.", "x\x9c\x03\x00\x00\x00\x00\x01", "BZh9", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd",
	`{"task":"hostile.raw","id":"v1","args":[1],"kwargs":{}}`, `{"task":"hostile.raw"}`, `{"task":7,"id":[],"args":"no"}`, `{"task":"hostile.raw","id":"v1b","args":{"a":1},"kwargs":[]}`,
}
