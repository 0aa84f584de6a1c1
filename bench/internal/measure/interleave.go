package measure

import "fmt"

// A Subject is one of those that are compared.
type Subject[T any] struct {
	Name string
	Run  func() (T, error)
}

// Interleave runs every subject in each round, and returns what came of them by name.
// What disturbs the machine for a while then disturbs all of them, and leaves the
// ratios within a round as they are. A round before the first warms up.
func Interleave[T any](rounds int, subjects []Subject[T]) (map[string][]T, error) {
	results := map[string][]T{}
	for round := -1; round < rounds; round++ {
		for i := range subjects {
			// Each round begins with another one: to come first is no advantage.
			s := subjects[(i+round+1)%len(subjects)]
			result, err := s.Run()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.Name, err)
			}
			if round >= 0 {
				results[s.Name] = append(results[s.Name], result)
			}
		}
	}
	return results, nil
}
