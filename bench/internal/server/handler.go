// Package server serves the two reads that are measured, with as little work as possible,
// because the time it takes is part of every client's.
package server

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
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
	if err != nil || err2 != nil {
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

const (
	// PolicySize is the length of a policy's JSON.
	PolicySize = 671
	// Hostnames is the number of host names of a policy.
	Hostnames = 8

	sharedHostnames = 48
	sharedPerPolicy = 5
	idPrefix        = "npol_"
	defaultLimit    = 20 // the API's
)

// ID returns the ID of the i-th policy.
func ID(i int) string { return fmt.Sprintf(idPrefix+"%010d", i) }

// index returns the i of an ID.
func index(id string) (int, bool) {
	digits, found := strings.CutPrefix(id, idPrefix)
	i, err := strconv.Atoi(digits)
	return i, found && err == nil && i >= 0
}

// Policy returns the JSON of the i-th policy.
func Policy(i int) []byte {
	const text = `{"id":%q,"name":"task-%06d","description":%q,` +
		`"egress":{"allow_all":false,"allow_devbox_to_devbox":false,"allowed_hostnames":["%s"],` +
		`"allow_agent_gateway":true,"allow_mcp_gateway":false},` +
		`"create_time_ms":%d,"update_time_ms":%d}`
	created := 1_767_225_600_000 + int64(i)*1000
	render := func(description string) string {
		return fmt.Sprintf(text, ID(i), i, description, strings.Join(hostnames(i), `","`), created, created+500)
	}
	const words = "egress of one task: package registries, source hosts and the services that it was given; "
	missing := PolicySize - len(render(""))
	return []byte(render(strings.Repeat(words, 1+missing/len(words))[:missing]))
}

func hostnames(i int) []string {
	names := make([]string, 0, Hostnames)
	for n := range sharedPerPolicy {
		// Steps of 11 modulo 48 repeat no name within a policy.
		names = append(names, fmt.Sprintf("mirror-%02d.packages.example.com", (i+11*n)%sharedHostnames))
	}
	for n := range Hostnames - sharedPerPolicy {
		names = append(names, fmt.Sprintf("service-%d.task-%06d.example.net", n, i))
	}
	return names
}
