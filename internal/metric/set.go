package metric

import (
	"sync"
	"sync/atomic"
)

// Other is the label of what a Set has no room for.
const Other = "other"

// A Set holds instruments by key, so many and no more. What is beyond shares one, whose key is made by other.
type Set[K comparable, V any] struct {
	most  int
	make  func() *V
	other func(K) K

	all  sync.Map // K → *V
	mu   sync.Mutex
	size atomic.Int64
}

// NewSet makes a set of at most most keys and those that other makes of the rest: few.
func NewSet[K comparable, V any](most int, make func() *V, other func(K) K) *Set[K, V] {
	return &Set[K, V]{most: most, make: make, other: other}
}

// Names is a set by one name, with Other for the rest.
func Names[V any](most int, make func() *V) *Set[string, V] {
	return NewSet(most, make, func(string) string { return Other })
}

// At is the instrument of a key.
func (s *Set[K, V]) At(key K) *V {
	if v, ok := s.all.Load(key); ok {
		return v.(*V)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.all.Load(key); ok {
		return v.(*V)
	}
	if s.size.Load() >= int64(s.most) {
		key = s.other(key)
		if v, ok := s.all.Load(key); ok {
			return v.(*V)
		}
	} else {
		s.size.Add(1)
	}
	v := s.make()
	s.all.Store(key, v)
	return v
}

// Each calls f for every key, in no order.
func (s *Set[K, V]) Each(f func(K, *V)) {
	s.all.Range(func(k, v any) bool {
		f(k.(K), v.(*V))
		return true
	})
}
