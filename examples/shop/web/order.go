package web

import (
	"fmt"
	"net/http"
	"net/mail"
	"time"

	"github.com/umbel-go/umbel/examples/shop/store"
)

// An orderRequest is the body of POST /api/orders.
type orderRequest struct {
	Customer string `json:"customer"` // mail address
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"` // defaults to 1
}

func (o orderRequest) order() (store.Order, error) {
	if o.Quantity == 0 {
		o.Quantity = 1
	}
	to, err := mail.ParseAddress(o.Customer)
	switch {
	case err != nil:
		return store.Order{}, bad("customer: %q is no mail address", o.Customer)
	case o.Quantity < 1 || o.Quantity > 1000:
		return store.Order{}, bad("quantity is %d: want 1 to 1000", o.Quantity)
	case o.SKU == "":
		return store.Order{}, bad("sku: say which article")
	}
	return store.Order{Customer: to.Address, SKU: o.SKU, Quantity: o.Quantity, Placed: time.Now()}, nil
}

func (s *site) articles(w http.ResponseWriter, r *http.Request) {
	all, err := s.Store.Articles(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	list := make([]articleView, len(all))
	for i, a := range all {
		list[i] = articleView{SKU: a.SKU, Name: a.Name, Price: a.Price.String(), OnHand: a.OnHand}
	}
	answer(w, http.StatusOK, map[string]any{"articles": list})
}

func (s *site) placeOrder(w http.ResponseWriter, r *http.Request) {
	var in orderRequest
	body, err := decode(r, &in)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	k, err := key(r, body)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	id, err := s.place(r, in, k)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	o, err := s.Store.Order(r.Context(), id)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.Header().Set("Location", fmt.Sprintf("/api/orders/%d", id))
	answer(w, http.StatusAccepted, viewOrder(o))
}

// place writes an order down with its task, and returns its id.
func (s *site) place(r *http.Request, in orderRequest, k store.Key) (int64, error) {
	o, err := in.order()
	if err != nil {
		return 0, err
	}
	id, _, err := s.Store.RequestOrder(asked(r, k), o, k)
	if err == nil {
		s.publish()
	}
	return id, err
}

func (s *site) getOrder(w http.ResponseWriter, r *http.Request) {
	id, err := number(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	o, err := s.Store.Order(r.Context(), id)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	answer(w, http.StatusOK, viewOrder(o))
}

func (s *site) listOrders(w http.ResponseWriter, r *http.Request) {
	before, limit, err := page(r, 50)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	all, err := s.Store.LatestOrders(r.Context(), before, limit)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"orders": viewOrders(all)})
}

func viewOrders(all []store.Order) []orderView {
	list := make([]orderView, len(all))
	for i, o := range all {
		list[i] = viewOrder(o)
	}
	return list
}
