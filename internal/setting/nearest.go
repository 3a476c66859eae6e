package setting

// Nearest finds the candidate that a misspelt name most likely meant, or "" when none is near: more than two letters, or
// in long names a third of them, would have to change.
func Nearest(name string, candidates []string) string {
	best, nearest := min(max(3, len(name)/3+1), 6), ""
	if len(name) < 3 {
		best = 2
	}
	for _, c := range candidates {
		if d := distance(name, c, best); d < best {
			best, nearest = d, c
		}
	}
	return nearest
}

// distance counts the letters to insert, delete, replace or swap with their neighbour to make a of b, giving up at limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > 100 || len(b) > 100 {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least >= limit {
			return limit
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
