package access

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
)

// Guesses that come at once are counted one by one: all of them have passed the first look at the limit before any is checked.
func TestGuessesThatComeAtOnceAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		salt := []byte("sixteen bytes!!!")
		sum, err := pbkdf2.Key(sha256.New, "ann's password", salt, 1, sha256.Size)
		if err != nil {
			t.Fatal(err)
		}
		g.users["ann"] = &user{Owner, &secret{rounds: 1, salt: salt, sum: sum}}
		for range guessesAtOnce {
			g.guesses <- struct{}{} // it is nobody's turn yet
		}
		const guesses = 40
		status := make(chan int, guesses)
		for i := range guesses {
			go func() {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i)
				_, s := g.check(r, "ann", fmt.Sprint("guess ", i))
				status <- s
			}()
		}
		synctest.Wait()
		for range guessesAtOnce {
			<-g.guesses
		}
		looked := 0
		for range guesses {
			switch s := <-status; s {
			case http.StatusUnauthorized:
				looked++
			case http.StatusTooManyRequests:
			default:
				t.Errorf("a wrong password: %d", s)
			}
		}
		if most := failuresMost + guessesAtOnce - 1; looked < failuresMost || looked > most { // those that were looked at beside the last that counts
			t.Errorf("%d guesses were looked at, want %d to %d", looked, failuresMost, most)
		}
	})
}
