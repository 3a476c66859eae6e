// Package manual tests the manual: that links lead somewhere, and that what its pages say is so.
package manual
