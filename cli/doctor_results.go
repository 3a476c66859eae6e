package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/doctor"
	"github.com/umbel-go/umbel/internal/resultstore"
)

// resultsTime bounds a look into the result store.
const resultsTime = time.Minute

// doctorResults looks into the result store of the settings.
func (p *program) doctorResults(cmd *cobra.Command, r *doctor.Report) error {
	given, err := p.settings(nil)
	if err != nil {
		return err
	}
	full := given.WithDefaults()
	c, on, err := full.BackendConfig()
	switch {
	case err != nil:
		return &fault{code: exitConfig, err: fmt.Errorf("--results: %w", err)}
	case !on:
		return misuse(cmd, "--results: the settings name no result store: set result_backend, or give --result-backend")
	}
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), resultsTime, fmt.Errorf("no answer within %v", resultsTime))
	defer cancel()
	asked := doctor.Results{Expires: full.ResultExpires, Now: time.Now()}
	asked.Store, asked.Failed = resultstore.Examine(ctx, c)
	if unknown := (*resultstore.UnknownError)(nil); errors.As(asked.Failed, &unknown) {
		return misuse(cmd, "--results: %w", asked.Failed)
	}
	if asked.Failed != nil {
		if cmd.Context().Err() != nil {
			return context.Cause(cmd.Context())
		}
		asked.Store = &resultstore.Store{URL: resultstore.Mask(c.URL)}
	} else {
		r.Live = append(r.Live, doctor.Live{Place: asked.Place(), Found: asked.Store.String()})
	}
	for _, what := range asked.Store.Unknown {
		r.Unread = append(r.Unread, doctor.Unread{Place: asked.Place(), Why: what})
	}
	r.Add(asked.Place().File, doctor.ExamineStore(asked))
	return nil
}
