package doctor

import (
	"fmt"
	"time"
)

// lasting are results that are there for too long, in a store that does not remove them by itself.
type lasting struct{ expired, eternal, most int }

// manyExpired is how many expired results are left before it is a trouble.
const manyExpired = 1_000

// judge says why they are there. grows says what comes of it.
func (l lasting) judge(expires time.Duration, grows string, report reporting) {
	count := func(n int) string {
		if n >= l.most {
			return fmt.Sprintf("%d results or more", l.most)
		}
		return fmt.Sprintf("%d results", n)
	}
	if l.expired >= manyExpired {
		report("store-expiry", Medium, Wrong, count(l.expired)+" expired two days ago or more, and are still there", grows+".",
			"umbel beat, which sends celery.backend_cleanup every night, and a worker that takes from its queue")
	}
	switch {
	case l.eternal == 0:
	case expires < 0:
		report("store-expiry", Medium, Dangerous, count(l.eternal)+" never expire, as result_expires asks", grows+".", "result_expires: 1d, and what must be kept for longer in tables of your own")
	default:
		report("store-expiry", Medium, Dangerous, count(l.eternal)+" never expire", fmt.Sprintf("they were stored with another result_expires: ours expire after %v.", expires), "the same result_expires in every program; delete those that nobody needs")
	}
}
