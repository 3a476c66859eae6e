package web

import (
	"time"

	"github.com/umbel-go/umbel/examples/shop/store"
)

// What the API answers with.

type articleView struct {
	SKU    string `json:"sku"`
	Name   string `json:"name"`
	Price  string `json:"price"`
	OnHand int    `json:"on_hand"`
}

type orderView struct {
	ID        int64       `json:"id"`
	State     store.State `json:"state"`
	Customer  string      `json:"customer"`
	SKU       string      `json:"sku"`
	Quantity  int         `json:"quantity"`
	Total     string      `json:"total"`
	Payment   string      `json:"payment,omitempty"`
	Confirmed bool        `json:"confirmed"`
	Placed    time.Time   `json:"placed"`
	Task      string      `json:"task_id,omitempty"`
}

func viewOrder(o store.Order) orderView {
	return orderView{ID: o.ID, State: o.State, Customer: o.Customer, SKU: o.SKU, Quantity: o.Quantity, Total: o.Total.String(), Payment: o.Payment,
		Confirmed: o.Confirmed, Placed: o.Placed, Task: o.Task}
}

// Done tells whether nothing more happens to the order by itself.
func (o orderView) Done() bool {
	return o.State == store.SoldOut || o.State == store.Paid && o.Confirmed
}

// A reportView is a report, and how far it has come: what an event says.
type reportView struct {
	ID        int64             `json:"id"`
	State     store.ReportState `json:"state"`
	Since     string            `json:"since"`           // first day
	Until     time.Time         `json:"until"`           // orders of before
	Done      int               `json:"done"`            // rows written so far
	Of        int               `json:"of,omitempty"`    // rows there will be
	Rows      int               `json:"rows,omitempty"`  // of the file
	Bytes     int64             `json:"bytes,omitempty"` // of the file
	SHA256    string            `json:"sha256,omitempty"`
	Expires   *time.Time        `json:"expires,omitempty"`
	Error     string            `json:"error,omitempty"`
	Requested time.Time         `json:"requested"`
	Task      string            `json:"task_id"`
}

func viewReport(r store.Report) reportView {
	v := reportView{ID: r.ID, State: r.State, Since: r.Since.Format(time.DateOnly), Until: r.Until, Rows: r.Rows, Bytes: r.Bytes, SHA256: r.SHA256,
		Error: r.Error, Requested: r.Requested, Task: r.Task}
	if r.State == store.Ready {
		v.Done, v.Of, v.Expires = r.Rows, r.Rows, &r.Expires
	}
	return v
}

// Final tells whether nothing more happens to the report by itself.
func (v reportView) Final() bool { return v.State.Final() }

// Days are the report's days in words.
func (v reportView) Days() string {
	last := v.Until.Add(-time.Second).Format(time.DateOnly)
	if v.Since == time.Unix(0, 0).UTC().Format(time.DateOnly) {
		return "up to " + last
	}
	if v.Since == last {
		return last
	}
	return v.Since + " to " + last
}
