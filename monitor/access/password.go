package access

import (
	"bufio"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	// rounds make a guess cost about a tenth of a second.
	rounds     = 600_000
	roundsMost = 10_000_000 // of a file that is not ours
	saltBytes  = 16
	hashScheme = "pbkdf2-sha256"
)

// Hash is a password as it is kept: "pbkdf2-sha256$ROUNDS$SALT$HASH".
func Hash(password string) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails
	sum, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("%s$%d$%s$%s", hashScheme, rounds, b64.EncodeToString(salt), b64.EncodeToString(sum)), nil
}

// A secret is a password's hash, taken apart.
type secret struct {
	rounds    int
	salt, sum []byte
}

func parseHash(text string) (*secret, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 4 || parts[0] != hashScheme {
		return nil, errors.New("this is no hash of a password: make one with \"umbel monitor passwd\"")
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil || n < 1 || n > roundsMost {
		return nil, fmt.Errorf("%q is no number of rounds", parts[1])
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, fmt.Errorf("salt: %w", err)
	}
	sum, err := base64.RawStdEncoding.DecodeString(parts[3])
	if err != nil || len(sum) != sha256.Size {
		return nil, errors.New("the hash is not 32 bytes in base64")
	}
	return &secret{n, salt, sum}, nil
}

// matches takes the same time whatever the password.
func (s *secret) matches(password string) bool {
	sum, err := pbkdf2.Key(sha256.New, password, s.salt, s.rounds, len(s.sum))
	return err == nil && subtle.ConstantTimeCompare(sum, s.sum) == 1
}

// A User is a person with a password.
type User struct {
	Name string
	Role Role
	Hash string // see Hash
}

// ReadUsers reads a file of users, one a line: NAME:ROLE:HASH. Lines that begin with # are skipped.
func ReadUsers(r io.Reader) ([]User, error) {
	var out []User
	err := lines(r, func(f []string) error {
		role, err := ParseRole(f[1])
		if err == nil {
			_, err = parseHash(f[2])
		}
		out = append(out, User{f[0], role, f[2]})
		return err
	})
	return out, err
}

// A Token is what a program shows instead of a password.
type Token struct {
	Name   string
	Scopes []Scope
	Sum    [sha256.Size]byte // SHA-256 of the token
}

// NewToken makes a token; text is shown once and not kept.
func NewToken(name string, s []Scope) (t Token, text string) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	text = "umbel_" + base64.RawURLEncoding.EncodeToString(raw)
	return Token{name, s, sha256.Sum256([]byte(text))}, text
}

// Line is the token's line in its file: NAME:SCOPES:SHA256.
func (t Token) Line() string {
	names := make([]string, len(t.Scopes))
	for i, s := range t.Scopes {
		names[i] = string(s)
	}
	return t.Name + ":" + strings.Join(names, ",") + ":" + hex.EncodeToString(t.Sum[:])
}

// ParseScopes reads scopes with commas between them.
func ParseScopes(text string) ([]Scope, error) { return parseScopes(text) }

// ReadTokens reads a file of tokens, one a line: NAME:SCOPES:SHA256.
func ReadTokens(r io.Reader) ([]Token, error) {
	var out []Token
	err := lines(r, func(f []string) error {
		s, err := parseScopes(f[1])
		sum, err2 := hex.DecodeString(f[2])
		if err2 != nil || len(sum) != sha256.Size {
			err = errors.Join(err, errors.New("the last field is no SHA-256 in hexadecimal"))
		}
		if err == nil {
			out = append(out, Token{f[0], s, [sha256.Size]byte(sum)})
		}
		return err
	})
	return out, err
}

// lines reads lines of three fields with colons between them.
func lines(r io.Reader, f func([]string) error) error {
	in := bufio.NewScanner(r)
	for n := 1; in.Scan(); n++ {
		line := strings.TrimSpace(in.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.SplitN(line, ":", 3)
		if len(fields) != 3 || fields[0] == "" {
			return fmt.Errorf("line %d: want three fields with colons between them", n)
		}
		if err := f(fields); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return in.Err()
}
