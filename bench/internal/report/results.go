// Package report says what a run found: as JSON, as tables, as a chart, and whether
// the bars are met.
package report

import (
	"slices"

	"github.com/runloop-community/runloop-go/bench/internal/measure"
)

// Results are all that a run found.
type Results struct {
	Machine Machine  `json:"machine"`
	Costs   []Costs  `json:"costs"`
	Loads   []Load   `json:"loads"`
	Memory  []Memory `json:"memory"`
	Bars    []Bar    `json:"bars"`
}

// A Machine is where a run took place.
type Machine struct {
	Time string `json:"time"`
	Go   string `json:"go"`
	OS   string `json:"os"`
	CPUs int    `json:"cpus"`
	CPU  string `json:"cpu"`
}

// Costs are what one task cost each peer, a row a peer. The first is the floor.
type Costs struct {
	Name string `json:"name"`
	// Operations and Policies are of one run of the task: 400 and 400 for
	// reading 400 policies by ID, 1 and 5,000 for iterating over those.
	Operations int        `json:"operations"`
	Policies   int        `json:"policies"`
	Rows       []CostsRow `json:"rows"`
}

// A CostsRow is one peer's. Its slices have a value a round.
type CostsRow struct {
	Peer        string    `json:"peer"`
	WallMicros  []float64 `json:"wall_us"` // an operation
	CPUMicros   []float64 `json:"cpu_us"`  // an operation
	Allocs      float64   `json:"allocs_per_policy,omitempty"`
	Bytes       float64   `json:"bytes_per_policy,omitempty"`
	Connections int       `json:"connections"` // opened in all rounds together
}

// NewCostsRow sums up a peer's rounds.
func (c Costs) NewCostsRow(peer string, rounds []measure.Cost, connections int) CostsRow {
	row := CostsRow{Peer: peer, Connections: connections}
	var allocs, bytes []float64
	for _, cost := range rounds {
		row.WallMicros = append(row.WallMicros, float64(cost.Wall.Microseconds())/float64(c.Operations))
		row.CPUMicros = append(row.CPUMicros, float64(cost.CPU.Microseconds())/float64(c.Operations))
		allocs = append(allocs, float64(cost.Allocs)/float64(c.Policies))
		bytes = append(bytes, float64(cost.Bytes)/float64(c.Policies))
	}
	row.Allocs, row.Bytes = median(allocs), median(bytes)
	return row
}

// A Load is what many goroutines got out of one client, a row a peer. The first is
// the floor.
type Load struct {
	Protocol   string    `json:"protocol"`
	Goroutines int       `json:"goroutines"`
	Latency    string    `json:"latency"`
	Rows       []LoadRow `json:"rows"`
}

// A LoadRow is one peer's. Its slices have a value a round.
type LoadRow struct {
	Peer              string    `json:"peer"`
	ColdConnections   []float64 `json:"cold_connections"`   // opened by the first burst
	SteadyConnections []float64 `json:"steady_connections"` // opened by burst and load together
	RequestsPerSecond []float64 `json:"requests_per_second"`
}

// A Memory is what iterating over many policies holds.
type Memory struct {
	Peer     string `json:"peer"`
	Policies int    `json:"policies"`
	PageSize int    `json:"page_size"`
	// PageBytes is one page: its policies as the client holds them, and the text
	// that they came in. PeakLiveBytes is the most that the iteration held. Both
	// are 0 for what is not Go.
	PageBytes     uint64 `json:"page_bytes,omitempty"`
	PeakLiveBytes uint64 `json:"peak_live_bytes,omitempty"`
	// PeakResidentBytes is of the whole process, 0 where the system does not tell.
	PeakResidentBytes uint64 `json:"peak_resident_bytes,omitempty"`
}

// Pages returns how many pages are held at the peak.
func (m Memory) Pages() float64 { return float64(m.PeakLiveBytes) / float64(m.PageBytes) }

// costs returns the costs with a name, and load the one with the settings, or nil.
func (r *Results) costs(name string) *Costs {
	if i := slices.IndexFunc(r.Costs, func(c Costs) bool { return c.Name == name }); i >= 0 {
		return &r.Costs[i]
	}
	return nil
}

func (r *Results) load(protocol string, goroutines int, latency string) *Load {
	i := slices.IndexFunc(r.Loads, func(l Load) bool {
		return l.Protocol == protocol && l.Goroutines == goroutines && l.Latency == latency
	})
	if i >= 0 {
		return &r.Loads[i]
	}
	return nil
}

func (c *Costs) row(peer string) *CostsRow {
	if c == nil {
		return nil
	}
	if i := slices.IndexFunc(c.Rows, func(r CostsRow) bool { return r.Peer == peer }); i >= 0 {
		return &c.Rows[i]
	}
	return nil
}

func (l *Load) row(peer string) *LoadRow {
	if l == nil {
		return nil
	}
	if i := slices.IndexFunc(l.Rows, func(r LoadRow) bool { return r.Peer == peer }); i >= 0 {
		return &l.Rows[i]
	}
	return nil
}
