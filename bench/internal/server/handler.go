// Package server answers the two reads that are measured, and as little else as it
// can: what it costs is in the time of every client.
package server

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/runloop-community/runloop-go/bench/internal/fixture"
)

const (
	defaultLimit = 20 // as of the API
	maxPolicies  = 200_000
	maxLatency   = time.Minute
)

// Path is the base path of an API that has a number of policies and takes a time for
// each request.
func Path(policies int, latency time.Duration) string {
	return "/" + strconv.Itoa(policies) + "/" + latency.String()
}

// NewHandler returns a handler of every path that Path returns.
func NewHandler() http.Handler {
	h := &handler{sets: map[int]*fixture.Set{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{policies}/{latency}/v1/network-policies", h.list)
	mux.HandleFunc("GET /{policies}/{latency}/v1/network-policies/{id}", h.get)
	return mux
}

type handler struct {
	mu   sync.Mutex
	sets map[int]*fixture.Set // by the number of policies
}

func (h *handler) get(w http.ResponseWriter, r *http.Request) {
	set, ok := h.begin(r)
	i, known := fixture.Index(r.PathValue("id"))
	if !ok || !known || i >= set.Count() {
		http.NotFound(w, r)
		return
	}
	write(w, set.Policy(i))
}

func (h *handler) list(w http.ResponseWriter, r *http.Request) {
	set, ok := h.begin(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	query := r.URL.Query()
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		limit = defaultLimit
	}
	first := 0
	if last, ok := fixture.Index(query.Get("starting_after")); ok {
		first = last + 1
	}
	policies, more := set.Page(first, limit)
	end := `],"has_more":` + strconv.FormatBool(more)
	if query.Get("include_total_count") != "false" {
		end += `,"total_count":` + strconv.Itoa(set.Count())
	}
	write(w, []byte(`{"network_policies":[`), policies, []byte(end+`}`))
}

// begin returns the policies that a request is about, after its latency.
func (h *handler) begin(r *http.Request) (*fixture.Set, bool) {
	count, err := strconv.Atoi(r.PathValue("policies"))
	if err != nil || count < 0 || count > maxPolicies {
		return nil, false
	}
	latency, err := time.ParseDuration(r.PathValue("latency"))
	if err != nil || latency > maxLatency {
		return nil, false
	}
	set := h.set(count)
	time.Sleep(latency)
	return set, true
}

func (h *handler) set(count int) *fixture.Set {
	h.mu.Lock()
	defer h.mu.Unlock()
	set := h.sets[count]
	if set == nil {
		set = fixture.NewSet(count)
		h.sets[count] = set
	}
	return set
}

func write(w http.ResponseWriter, parts ...[]byte) {
	length := 0
	for _, part := range parts {
		length += len(part)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(length))
	for _, part := range parts {
		w.Write(part)
	}
}
