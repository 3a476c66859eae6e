package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/umbel-go/umbel/monitor/fleet"
)

// brokerage tells of the broker what its management API tells.
func (a *API) brokerage(w http.ResponseWriter, r *http.Request) {
	c, why := a.Fleet.Broker()
	ctx, cancel := context.WithTimeout(r.Context(), actWithin)
	defer cancel()
	list, more, err := a.Fleet.Connections(ctx)
	if err != nil && !errors.Is(err, fleet.ErrNoManagement) && why == "" {
		why = err.Error()
	}
	if list == nil {
		list = []fleet.Connection{}
	}
	reply(w, http.StatusOK, map[string]any{"managed": a.Fleet.Managed(), "cluster": c, "error": why, "connections": list, "more_connections": more,
		"connected": a.Fleet.Connected()})
}
