package runlooptest

import (
	"net/http"
	"net/url"
	"strings"
)

// An Operation is one call of the API. Faults are scripted and requests are
// recorded by operation. The values for network policies are the operation IDs of
// the API's OpenAPI description.
type Operation string

// The operations that the fake knows.
const (
	CreateNetworkPolicy Operation = "createNetworkPolicy" // POST /v1/network-policies
	ListNetworkPolicies Operation = "listNetworkPolicies" // GET /v1/network-policies
	GetNetworkPolicy    Operation = "getNetworkPolicy"    // GET /v1/network-policies/{id}
	UpdateNetworkPolicy Operation = "updateNetworkPolicy" // POST /v1/network-policies/{id}
	DeleteNetworkPolicy Operation = "deleteNetworkPolicy" // POST /v1/network-policies/{id}/delete
	CreateDevbox        Operation = "createDevbox"        // POST /v1/devboxes, or /v1/devboxes/create_and_await_running
	ListDevboxes        Operation = "listDevboxes"        // GET /v1/devboxes
	GetDevbox           Operation = "getDevbox"           // GET /v1/devboxes/{id}
	WaitForDevboxStatus Operation = "waitForDevboxStatus" // POST /v1/devboxes/{id}/wait_for_status
	ShutdownDevbox      Operation = "shutdownDevbox"      // POST /v1/devboxes/{id}/shutdown
)

// A route leads a method and a path to an operation.
type route struct {
	op      Operation
	method  string
	path    []string // its segments; "{id}" stands for any one segment
	perform func(*API, *call) (any, error)
}

var routes = []route{
	{CreateNetworkPolicy, http.MethodPost, []string{"v1", "network-policies"}, (*API).createPolicy},
	{ListNetworkPolicies, http.MethodGet, []string{"v1", "network-policies"}, (*API).listPolicies},
	{GetNetworkPolicy, http.MethodGet, []string{"v1", "network-policies", "{id}"}, (*API).getPolicy},
	{UpdateNetworkPolicy, http.MethodPost, []string{"v1", "network-policies", "{id}"}, (*API).updatePolicy},
	{DeleteNetworkPolicy, http.MethodPost, []string{"v1", "network-policies", "{id}", "delete"}, (*API).deletePolicy},
	{CreateDevbox, http.MethodPost, []string{"v1", "devboxes"}, (*API).createDevbox},
	{CreateDevbox, http.MethodPost, []string{"v1", "devboxes", "create_and_await_running"}, (*API).createAndAwaitDevbox},
	{ListDevboxes, http.MethodGet, []string{"v1", "devboxes"}, (*API).listDevboxes},
	{GetDevbox, http.MethodGet, []string{"v1", "devboxes", "{id}"}, (*API).getDevbox},
	{WaitForDevboxStatus, http.MethodPost, []string{"v1", "devboxes", "{id}", "wait_for_status"}, (*API).waitForDevboxStatus},
	{ShutdownDevbox, http.MethodPost, []string{"v1", "devboxes", "{id}", "shutdown"}, (*API).shutdownDevbox},
}

// A target is where a request leads. Without a route, allowed lists the methods
// that the path has; it is empty for a path that does not exist.
type target struct {
	route   *route
	id      string
	allowed []string
}

// operation returns the target's operation, "" if there is none.
func (t target) operation() Operation {
	if t.route == nil {
		return ""
	}
	return t.route.op
}

// locate finds the target of a request by its path as it was sent. It is written
// by hand because http.ServeMux cleans paths and redirects, which would lead a
// client's badly escaped id to another operation.
func locate(method string, u *url.URL) target {
	var t target
	segments, ok := splitPath(u.EscapedPath())
	if !ok {
		return t
	}
	for i := range routes {
		id, ok := routes[i].match(segments)
		if !ok {
			continue
		}
		if routes[i].method == method {
			return target{route: &routes[i], id: id}
		}
		t.allowed = append(t.allowed, routes[i].method)
	}
	return t
}

// splitPath returns the unescaped segments of an escaped path. It refuses empty
// segments and dot segments, escaped or not: neither is ever part of a route or
// an id.
func splitPath(escaped string) ([]string, bool) {
	rest, ok := strings.CutPrefix(escaped, "/")
	if !ok {
		return nil, false
	}
	segments := strings.Split(rest, "/")
	for i, s := range segments {
		s, err := url.PathUnescape(s)
		if err != nil || s == "" || s == "." || s == ".." {
			return nil, false
		}
		segments[i] = s
	}
	return segments, true
}

// match returns the id that the segments have where the route has "{id}".
func (r *route) match(segments []string) (id string, ok bool) {
	if len(segments) != len(r.path) {
		return "", false
	}
	for i, s := range r.path {
		switch {
		case s == "{id}":
			id = segments[i]
		case s != segments[i]:
			return "", false
		}
	}
	return id, true
}

// known reports whether op is an operation of the API.
func (op Operation) known() bool {
	for i := range routes {
		if routes[i].op == op {
			return true
		}
	}
	return false
}
