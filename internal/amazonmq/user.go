package amazonmq

import (
	"fmt"
	"strings"
)

// CheckPassword says what AWS has against a broker user's password; "" if nothing.
func CheckPassword(password string) string {
	distinct := make(map[rune]bool)
	for _, r := range password {
		distinct[r] = true
	}
	switch {
	case len(password) < 12:
		return fmt.Sprintf("it has %d characters, AWS wants 12", len(password))
	case len(distinct) < 4:
		return fmt.Sprintf("it has %d different characters, AWS wants 4", len(distinct))
	case strings.ContainsAny(password, ",:="):
		return "it contains one of , : = which AWS refuses"
	}
	return ""
}

// CheckUser says what AWS has against a broker user's name; "" if nothing.
func CheckUser(name string) string {
	switch {
	case len(name) < 2 || len(name) > 100:
		return fmt.Sprintf("it has %d characters, AWS wants 2 to 100", len(name))
	case !allOf(name, letters+digits+"-._"):
		return "it may hold letters, digits, - . and _ only"
	case name == "guest":
		return "AWS deletes the user guest"
	}
	return ""
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

// allOf reports whether text consists of the characters of set.
func allOf(text, set string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune(set, r) }) < 0
}
