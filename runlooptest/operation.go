package runlooptest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// An Operation is an endpoint of the API. Faults are injected and requests are recorded
// by operation. For network policies, its value is the operation ID of the API's
// OpenAPI description.
type Operation string

// The operations of the fake.
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

// A route maps a method and a path to an operation.
type route struct {
	op      Operation
	method  string
	path    []string // its segments; "{id}" matches any one segment
	perform func(*API, *call) (view any, err *refusal)
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

// A target is the route of a request. Without a route, allowed lists the methods of the
// path; it is empty for an unknown path.
type target struct {
	route   *route
	id      string // the segment that matches "{id}"
	allowed []string
}

// noRoute refuses an unknown path, or a method that the path does not have.
func (t target) noRoute() *refusal {
	if len(t.allowed) == 0 {
		return refuse(http.StatusNotFound, "unknown_path", "No such path")
	}
	return refuse(http.StatusMethodNotAllowed, "method_not_allowed", "The path does not have this method").with("Allow", strings.Join(t.allowed, ", "))
}

// locate finds the target of a request by its escaped path. An http.ServeMux would
// clean paths and redirect, so a badly escaped ID would reach another operation.
func locate(method string, u *url.URL) target {
	var t target
	segments := splitPath(u.EscapedPath())
	for i := range routes {
		r := &routes[i]
		switch {
		case !slices.EqualFunc(r.path, segments, func(p, s string) bool { return p == "{id}" || p == s }):
		case r.method != method:
			t.allowed = append(t.allowed, r.method)
		default:
			t.route = r
			if i := slices.Index(r.path, "{id}"); i >= 0 {
				t.id = segments[i]
			}
			return t
		}
	}
	return t
}

// splitPath returns the unescaped segments of an escaped path, or nil if one is empty or
// a dot segment, escaped or not: these are never part of a route or an ID.
func splitPath(escaped string) []string {
	segments := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	for i, s := range segments {
		s, err := url.PathUnescape(s)
		if err != nil || s == "" || s == "." || s == ".." {
			return nil
		}
		segments[i] = s
	}
	return segments
}
