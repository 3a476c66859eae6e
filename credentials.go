package umbel

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// credentialsMost is how much of a file of credentials is read, bytes.
const credentialsMost = 64 << 10

// readCredentials reads a file that holds user:password, a password alone, or JSON as AWS Secrets Manager writes it. Errors
// do not quote what it holds.
func readCredentials(path string) (user, password string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", "", fmt.Errorf("broker_credentials_file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, credentialsMost))
	if err != nil {
		return "", "", fmt.Errorf("broker_credentials_file: %w", err)
	}
	user, password, err = parseCredentials(strings.TrimSpace(string(text)))
	if err != nil {
		return "", "", fmt.Errorf("broker_credentials_file %s: %w", path, err)
	}
	return user, password, nil
}

func parseCredentials(text string) (user, password string, err error) {
	if text == "" {
		return "", "", errors.New("it is empty")
	}
	if strings.HasPrefix(text, "{") {
		var c struct{ Username, User, Password string }
		if json.Unmarshal([]byte(text), &c) != nil || c.Password == "" {
			return "", "", errors.New("it is not JSON with a password")
		}
		if c.Username == "" {
			c.Username = c.User
		}
		return c.Username, c.Password, nil
	}
	if strings.ContainsAny(text, "\r\n") {
		return "", "", errors.New("it has several lines: want user:password, a password, or JSON")
	}
	if user, password, both := strings.Cut(text, ":"); both {
		return user, password, nil
	}
	return "", text, nil
}
