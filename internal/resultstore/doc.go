// Package resultstore is what a live result store tells of itself. It holds facts; package doctor judges them.
//
//	store, err := resultstore.Examine(ctx, config)
//	findings := doctor.ExamineStore(doctor.Results{Store: store})
//
// Drivers register how they look. Looking changes nothing that others can see.
package resultstore
