//go:build !unix

package procpool

func isPipe(int) bool      { return false }
func keepFromHeirs(...int) {}
