package codec

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// What a plain scalar means in YAML 1.1. The patterns are PyYAML's own: its yes and on are booleans, 017 is octal, 1:30 is
// ninety, 1e3 without a point is text.
// Celery's YAML: PyYAML lib/yaml/resolver.py, lib/yaml/constructor.py (SafeConstructor).
var (
	yamlBool  = regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$`)
	yamlFloat = regexp.MustCompile(`^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?` +
		`|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
	yamlInt = regexp.MustCompile(`^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+` +
		`|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$`)
	yamlNull = regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)
	yamlTime = regexp.MustCompile(`^(\d{4})-(\d\d?)-(\d\d?)` +
		`(?:(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?(?:[ \t]*(Z|([-+])(\d\d?)(?::?(\d\d))?))?)?$`)
	yamlDay = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)
)

// yamlTag is the type of a plain scalar.
func yamlTag(text string) string {
	if text == "" {
		return "!!null"
	}
	if len(text) > maxDigits+64 { // longer than any scalar that is not text
		return "!!str"
	}
	c := text[0]
	switch {
	case strings.IndexByte("yYnNtTfFoO", c) >= 0 && yamlBool.MatchString(text):
		return "!!bool"
	case strings.IndexByte("-+0123456789.", c) >= 0:
		switch {
		case yamlFloat.MatchString(text):
			return "!!float"
		case yamlInt.MatchString(text):
			return "!!int"
		case yamlDay.MatchString(text), strings.Contains(text, ":") && yamlTime.MatchString(text):
			return "!!timestamp"
		}
	case strings.IndexByte("~nN", c) >= 0 && yamlNull.MatchString(text):
		return "!!null"
	case text == "<<":
		return "!!merge"
	case text == "=":
		return "!!value"
	}
	return "!!str"
}

// yamlScalar is the value of a scalar: by its explicit tag, else text when it was quoted, else by its pattern.
func yamlScalar(n *yaml.Node) (any, error) {
	tag := "!!str"
	switch {
	case n.Style&yaml.TaggedStyle != 0 && n.Tag != "!":
		tag = n.ShortTag()
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) == 0:
		tag = yamlTag(n.Value)
	}
	switch tag {
	case "!!str", "!!value", "!!merge":
		return n.Value, nil
	case "!!null":
		return nil, nil
	case "!!bool":
		switch strings.ToLower(n.Value) {
		case "yes", "true", "on":
			return true, nil
		case "no", "false", "off":
			return false, nil
		}
	case "!!int":
		return yamlInteger(n.Value)
	case "!!float":
		return yamlNumber(n.Value)
	case "!!timestamp":
		return yamlTimestamp(n.Value)
	case "!!binary":
		return decodeBinary(n.Value)
	default:
		return nil, fmt.Errorf("the tag %s is not one of the safe types", clip(n.Tag))
	}
	return nil, fmt.Errorf("%q is no %s", clip(n.Value), tag[2:])
}

func yamlInteger(text string) (any, error) {
	s := strings.ReplaceAll(text, "_", "")
	s, neg := cutSign(s)
	n := new(big.Int)
	ok := len(s) <= maxDigits
	switch {
	case !ok:
	case strings.HasPrefix(s, "0b"):
		_, ok = n.SetString(s[2:], 2)
	case strings.HasPrefix(s, "0x"):
		_, ok = n.SetString(s[2:], 16)
	case len(s) > 1 && s[0] == '0':
		_, ok = n.SetString(s[1:], 8)
	case strings.Contains(s, ":"):
		for part := range strings.SplitSeq(s, ":") {
			digits, isInt := new(big.Int).SetString(part, 10)
			if !isInt {
				ok = false
				break
			}
			n.Add(n.Mul(n, big.NewInt(60)), digits)
		}
	default:
		_, ok = n.SetString(s, 10)
	}
	if !ok || s == "" || strings.ContainsAny(s, "+-") {
		return nil, fmt.Errorf("%q is no int", clip(text))
	}
	if neg {
		n.Neg(n)
	}
	if n.IsInt64() {
		return n.Int64(), nil
	}
	return n, nil
}

func yamlNumber(text string) (any, error) {
	s := strings.ToLower(strings.ReplaceAll(text, "_", ""))
	s, neg := cutSign(s)
	var f float64
	var err error
	switch {
	case s == ".inf":
		f = math.Inf(1)
	case s == ".nan":
		f = math.NaN()
	case strings.Contains(s, ":"):
		for part := range strings.SplitSeq(s, ":") {
			var digits float64
			if digits, err = strconv.ParseFloat(part, 64); err != nil {
				break
			}
			f = f*60 + digits
		}
	default:
		if f, err = strconv.ParseFloat(s, 64); errors.Is(err, strconv.ErrRange) {
			err = nil // infinite or nothing, as in Python
		}
	}
	if err != nil || strings.ContainsAny(s, "xp") { // Go reads hexadecimal floats, Python does not
		return nil, fmt.Errorf("%q is no float", clip(text))
	}
	if neg {
		f = -f
	}
	return f, nil
}

func cutSign(s string) (rest string, negative bool) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return s[1:], s[0] == '-'
	}
	return s, false
}

// yamlTimestamp is a Date when there is a day only, else a time.Time.
func yamlTimestamp(text string) (any, error) {
	bad := fmt.Errorf("%q is no timestamp", clip(text))
	m := yamlTime.FindStringSubmatch(text)
	if m == nil {
		return nil, bad
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(m[i]) // digits by the pattern, or empty
		return n
	}
	day := Date{number(1), time.Month(number(2)), number(3)}
	if day.check() != nil {
		return nil, bad
	}
	if m[4] == "" {
		return day, nil
	}
	micro, _ := strconv.Atoi((m[7] + "000000")[:6])
	clock := TimeOfDay{Hour: number(4), Minute: number(5), Second: number(6), Nanosecond: micro * 1000}
	loc := Naive
	if m[8] != "" {
		clock.Offset = number(10)*3600 + number(11)*60
		if m[9] == "-" {
			clock.Offset = -clock.Offset
		}
		loc = zone(clock.Offset)
	}
	if clock.check() != nil {
		return nil, bad
	}
	return time.Date(day.Year, day.Month, day.Day, clock.Hour, clock.Minute, clock.Second, clock.Nanosecond, loc), nil
}
