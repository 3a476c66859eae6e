package umbel

import (
	"github.com/umbel-go/umbel/codec"
)

// Args are positional arguments. As the input of App.Send they call any task by name; as the input type of a handler they
// take whatever was sent, decoded but not checked. A last element of type Kwargs carries the keyword arguments.
type Args []any

// Kwargs are keyword arguments, by name.
type Kwargs map[string]any

// Date is a day without a time of day, Python's datetime.date. A time.Time travels as datetime.datetime.
type Date = codec.Date

// TimeOfDay is a time of day without a date, Python's datetime.time.
type TimeOfDay = codec.TimeOfDay

// Decimal is an exact decimal number as text, Python's decimal.Decimal.
type Decimal = codec.Decimal
