// Package server serves the two reads that are measured, with as little work as possible,
// because the time it takes is part of every client's.
package server

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	defaultLimit = 20 // the API's
	maxPolicies  = 200_000
	maxLatency   = time.Minute
)

// An API is what a client sees under a base URL: a number of policies, each of 671 bytes of
// JSON with eight host names, five of them from a list of 48 that policies share.
type API struct {
	Policies int
	Latency  time.Duration // of each request
	Gzip     bool          // responses are compressed
}

// Path returns the path of the base URL.
func (a API) Path() string {
	encoding := "identity"
	if a.Gzip {
		encoding = "gzip"
	}
	return fmt.Sprintf("/%d/%s/%s", a.Policies, a.Latency, encoding)
}

// NewHandler returns a handler of the paths of every API.
func NewHandler() http.Handler {
	h := new(handler)
	mux := http.NewServeMux()
	const policies = "GET /{policies}/{latency}/{encoding}/v1/network-policies"
	mux.HandleFunc(policies, h.serve)
	mux.HandleFunc(policies+"/{id}", h.serve)
	return mux
}

type handler struct{ bodies sync.Map } // by the request's URI

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	count, err := strconv.Atoi(r.PathValue("policies"))
	latency, err2 := time.ParseDuration(r.PathValue("latency"))
	if err != nil || err2 != nil || count > maxPolicies || latency > maxLatency {
		http.NotFound(w, r)
		return
	}
	time.Sleep(latency)
	body, ok := h.bodies.Load(r.RequestURI)
	if !ok { // in the round that warms up
		body = encode(r, count)
		h.bodies.Store(r.RequestURI, body)
	}
	text := body.([]byte)
	if len(text) == 0 {
		http.NotFound(w, r)
		return
	}
	if r.PathValue("encoding") == "gzip" {
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Write(text)
}

// encode returns the body of a response, or nothing for an unknown policy.
func encode(r *http.Request, count int) []byte {
	var body bytes.Buffer
	if id := r.PathValue("id"); id != "" {
		i, ok := index(id)
		if !ok || i >= count {
			return nil
		}
		body.Write(Policy(i))
	} else {
		writePage(&body, r, count)
	}
	if r.PathValue("encoding") != "gzip" {
		return body.Bytes()
	}
	var compressed bytes.Buffer
	z := gzip.NewWriter(&compressed)
	z.Write(body.Bytes())
	z.Close()
	return compressed.Bytes()
}

func writePage(body *bytes.Buffer, r *http.Request, count int) {
	query := r.URL.Query()
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		limit = defaultLimit
	}
	first := 0
	if last, ok := index(query.Get("starting_after")); ok {
		first = last + 1
	}
	end := min(first+limit, count)
	body.WriteString(`{"network_policies":[`)
	for i := first; i < end; i++ {
		if i > first {
			body.WriteByte(',')
		}
		body.Write(Policy(i))
	}
	fmt.Fprintf(body, `],"has_more":%t`, end < count)
	if query.Get("include_total_count") != "false" {
		fmt.Fprintf(body, `,"total_count":%d`, count)
	}
	body.WriteByte('}')
}
