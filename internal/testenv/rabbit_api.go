package testenv

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// rabbitAPI speaks to RabbitMQ's management API.
type rabbitAPI struct {
	port           int
	user, password string
}

// apiClient keeps no connections: an idle one would be a goroutine that outlives its test.
var apiClient = &http.Client{
	Timeout: 30 * time.Second,
	Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	},
}

func (a rabbitAPI) do(method, path string, body any) (status int, answer []byte, err error) {
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		in = bytes.NewReader(b)
	case string:
		in = bytes.NewReader([]byte(b))
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return 0, nil, err
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequest(method, "http://"+address(a.port)+path, in)
	if err != nil {
		return 0, nil, err
	}
	r.SetBasicAuth(a.user, a.password)
	r.Header.Set("Content-Type", "application/json")
	response, err := apiClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, 64<<20))
	return response.StatusCode, answer, err
}

// must is do for calls that have to succeed.
func (a rabbitAPI) must(method, path string, body any) ([]byte, error) {
	status, answer, err := a.do(method, path, body)
	if err != nil {
		return nil, fmt.Errorf("management API: %s %s: %w", method, path, err)
	}
	if status >= 300 {
		return nil, fmt.Errorf("management API: %s %s: %d %s", method, path, status, answer)
	}
	return answer, nil
}

func segment(s string) string { return url.PathEscape(s) }
