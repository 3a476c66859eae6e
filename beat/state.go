package beat

import (
	"encoding/json"
	"fmt"
	"time"
)

// A state is what is kept of an entry between two ticks.
type state struct {
	Last     time.Time `json:"last"`           // the due time that was dealt with last, or when the entry began
	From     time.Time `json:"from,omitzero"`  // due times up to here are not made up for
	Schedule string    `json:"schedule"`       // text of the schedule that Last belongs to
	ID       string    `json:"id,omitempty"`   // of the task that was sent last
	Sent     time.Time `json:"sent,omitzero"`  // when
	Count    int64     `json:"count"`          // of tasks sent
	Open     bool      `json:"open,omitempty"` // Last was claimed, and is not known to have been sent
	Off      bool      `json:"off,omitempty"`  // the entry was disabled when it was last looked at
}

func (s state) encode() []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("beat: a state of texts, times and numbers: %v", err))
	}
	return text
}

func decodeState(text []byte) (s state, err error) {
	err = json.Unmarshal(text, &s)
	return s, err
}
