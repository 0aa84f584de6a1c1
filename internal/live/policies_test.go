package live

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	runloop "github.com/runloop-community/runloop-go"
)

// full is what some policies are created with.
const full = `"description": "created by a test", "allow_agent_gateway": true, "allowed_hostnames": ["github.com", "*.npmjs.org"]`

// nulls has every field of version 0.1 except the name.
const nulls = `"description": null, "allow_all": null, "allow_devbox_to_devbox": null, "allowed_hostnames": null, ` +
	`"allow_agent_gateway": null, "allow_mcp_gateway": null`

// newPolicies are checks with two policies that do not change.
func (r *run) newPolicies() {
	name := r.prefix + "-pair"
	older := r.mustCreate(name+"-older", "")
	read, listed := r.get(policy(older.id())), r.get(policies+"?name="+name+"-older")
	newer := r.mustCreate(name+"-newer", "")

	r.check("fields that a create leaves out are denied", "nothing is allowed", allowed(older))
	r.check("a description that was not sent is null", "null", older.field("description"))
	r.check("an ID begins with npol_", "npol_", older.id()[:min(5, len(older.id()))])
	r.check("the times of a new policy are Unix milliseconds", "now, now", older.now("create_time_ms")+", "+older.now("update_time_ms"))
	r.check("the times of a new policy are the same", older.field("create_time_ms"), older.field("update_time_ms"))
	r.check("a new policy can be read immediately", "nothing has changed", read.since(older))
	r.check("a new policy is in lists immediately", "there", listed.has(older.id()))

	// found names the policies in the list for a query.
	found := func(query string) string {
		list := r.get(policies + "?" + query)
		names := map[string]bool{}
		for _, id := range list.ids() {
			names[cmp.Or(map[string]string{older.id(): "older", newer.id(): "newer"}[id], "others")] = true
		}
		return list.or(strings.Join(slices.Sorted(maps.Keys(names)), ", "))
	}
	r.check("a list has the newest policy first", "there", r.get(policies+"?limit=1").has(newer.id()))
	page := r.get(policies + "?")
	if r.err == nil && page.field("has_more") == "false" {
		r.err = noOccasion("the account has no more than one page of policies")
	}
	r.check("a list without limit has 20 policies", "20", fmt.Sprint(len(page.ids())))
	r.check("limit bounds the page, and has_more is true if there is another", "1, has_more true", r.get(policies+"?limit=1&name="+name).extent())
	r.check("has_more is false on the last page", "2, has_more false", r.get(policies+"?limit=2&name="+name).extent())
	page = r.get(policies + "?limit=1&name=" + name)
	next := r.get(policies + "?limit=1&name=" + name + "&starting_after=" + url.QueryEscape(strings.Join(page.ids(), "")))
	r.check("starting_after continues after the policy", "not there, 1, has_more false", next.has(strings.Join(page.ids(), ""))+", "+next.extent())
	r.check("total_count counts all matches, not the page", "2", r.get(policies+"?limit=1&include_total_count=true&name="+name).field("total_count"))
	r.check("total_count is included by default", "2", r.get(policies+"?limit=1&name="+name).field("total_count"))
	r.check("include_total_count=false leaves it out", "absent", r.get(policies+"?limit=1&include_total_count=false&name="+name).field("total_count"))
	r.check("the filter name finds a part of a name", "newer, older", found("name="+name[len("runloop-"):]))
	r.check("the filter name ignores case", "newer, older", found("name="+strings.ToUpper(name)))
	r.check("search finds a part of a name", "newer, older", found("search="+name[len("runloop-"):]))
	r.check("search finds an ID", "newer", found("search="+url.QueryEscape(newer.id())))
	r.check("the filter id finds an ID", "newer", found("id="+url.QueryEscape(newer.id())))
	r.check("the filter id finds no part of an ID", "", found("id="+url.QueryEscape(newer.id()[min(1, len(newer.id())):])))
	r.check("an empty filter is none", "newer", found("name=&search=&id="+url.QueryEscape(newer.id())))
	r.check("an unknown parameter is ignored", "newer", found("no_such_parameter=1&id="+url.QueryEscape(newer.id())))
	before := r.get(policies + "?limit=2&name=" + name).ids()
	r.post(policy(older.id()), `{"description": "new"}`)
	r.check("an update does not move a policy in lists", "true", fmt.Sprint(slices.Equal(before, r.get(policies+"?limit=2&name="+name).ids())))

	const taken = "400, already exists"
	r.check("a taken name is refused with 400", taken, r.create(name+"-older", "").with("already exists"))
	r.check("names that differ in case are two names", "200", r.create(strings.ToUpper(name+"-older"), "").code())
	sample := r.mustCreate(r.name(), "")
	r.check("a rename to a taken name is refused with 400", taken, r.post(policy(sample.id()), `{"name": "`+name+`-newer"}`).with("already exists"))
	again := runloop.WithIdempotencyKey(r.name())
	repeated := r.name()
	r.create(repeated, "", again)
	r.check("a create under the same x-request-id is applied again", taken, r.create(repeated, "", again).with("already exists"))
}

// allowed returns what a policy allows, in the fields of version 0.1.
func allowed(created response) string {
	var rules []string
	for _, name := range []string{"allow_all", "allow_devbox_to_devbox", "allowed_hostnames", "allow_agent_gateway", "allow_mcp_gateway"} {
		if value := created.field("egress." + name); value != "false" && value != "[]" {
			rules = append(rules, name+" "+value)
		}
	}
	return created.or(cmp.Or(strings.Join(rules, ", "), "nothing is allowed"))
}

func (r *run) creates() {
	const all = `"description": "created by a test", "allow_all": false, "allow_devbox_to_devbox": true, ` +
		`"allowed_hostnames": ["github.com", "*.npmjs.org"], "allow_agent_gateway": true, "allow_mcp_gateway": true`
	r.check("a create returns all that was sent", "all of it", r.create(r.name(), all).echoes(all))
	r.check("null in a create is the same as no field", "nothing is allowed", allowed(r.create(r.name(), nulls)))
	name := r.name()
	blanks := r.create("  "+name+"  ", "").field("name")
	r.check("spaces around a name are kept", `"  NAME  "`, strings.ReplaceAll(blanks, name, "NAME"))
	r.check("an unknown field in a create is refused with 400", "400", r.create(r.name(), `"no_such_field": true`).code())
	r.check("a field of another type is refused with 400", "400", r.create(r.name(), `"allow_all": "false"`).code())
	const added = `"allow_runloop_mirrors": true, "allowed_cidrs": [{"cidr": "192.0.2.0/24", "ports": [` +
		`{"port": 443, "end_port": 444, "protocol": "TCP"}, {"port": 53, "end_port": 53, "protocol": "UDP"}]}]`
	r.check("allow_runloop_mirrors and allowed_cidrs are known", "all of it", r.create(r.name(), added).echoes(added))
	plain := r.mustCreate(r.name(), "")
	r.check("a policy without them shows them anyway", "false and []",
		plain.field("egress.allow_runloop_mirrors")+" and "+plain.field("egress.allowed_cidrs"))
}

// updates are checks with one policy, in this order.
func (r *run) updates() {
	name := r.name()
	sample := r.mustCreate(name, full)
	update := func(fields string) response { return r.post(policy(sample.id()), "{"+fields+"}") }
	// changes checks what an update changes.
	changes := func(name, fake, fields string) {
		before := r.get(policy(sample.id()))
		r.check(name, fake, update(fields).since(before))
	}
	changes("an update keeps what it does not set, rule by rule", "egress.allow_mcp_gateway has changed", `"allow_mcp_gateway": true`)
	changes("an update keeps what is null", "nothing has changed", `"name": null, `+nulls)
	changes("an update without fields is accepted", "nothing has changed", ``)
	before := r.get(policy(sample.id()))
	refused := update(`"description": "new", "allowed_hostnames": ["api.*.example.com"]`)
	r.check("an update that is refused changes nothing", "400, nothing has changed", refused.code()+", "+r.get(policy(sample.id())).since(before))
	r.check("an update replaces a list as a whole", `["api.openai.com"]`, update(`"allowed_hostnames": ["api.openai.com"]`).field("egress.allowed_hostnames"))
	updated := update(`"allowed_hostnames": ["github.com"]`)
	r.check("an update can be read immediately", "nothing has changed", r.get(policy(sample.id())).since(updated))
	r.check("an update with [] empties the host names", "[]", update(`"allowed_hostnames": []`).field("egress.allowed_hostnames"))
	r.check(`an update with "" leaves an empty description`, `""`, update(`"description": ""`).field("description"))
	moved := update(`"description": "new"`)
	r.check("an update moves update_time_ms", "true", fmt.Sprint(moved.field("update_time_ms") > moved.field("create_time_ms")))
	r.check("a rename to the same name is accepted", "200", update(`"name": "`+name+`"`).code())

	r.check("allow_all turns allow_devbox_to_devbox on", "true", update(`"allow_all": true`).field("egress.allow_devbox_to_devbox"))
	r.check("allow_devbox_to_devbox stays on when allow_all is turned off", "true", update(`"allow_all": false`).field("egress.allow_devbox_to_devbox"))
	r.check("allow_devbox_to_devbox cannot be turned off under allow_all", "true",
		update(`"allow_all": true, "allow_devbox_to_devbox": false`).field("egress.allow_devbox_to_devbox"))
	r.check("host names are kept under allow_all", `["github.com"]`, update(`"allowed_hostnames": ["github.com"]`).field("egress.allowed_hostnames"))
	r.check("host names are kept as they are sent: order, case and duplicates", `["b.example.com","A.example.com","b.example.com"]`,
		update(`"allowed_hostnames": ["b.example.com", "A.example.com", "b.example.com"]`).field("egress.allowed_hostnames"))
	r.check("a bare or partial wildcard, an address, a port and a scheme are accepted in host names", "200",
		update(`"allowed_hostnames": ["*", "api*.example.com", "192.0.2.1", "example.com:443", "https://example.com"]`).code())
	r.check("a range without ports shows none", `[{"cidr":"192.0.2.0/24","ports":[]}]`,
		update(`"allowed_cidrs": [{"cidr": "192.0.2.0/24"}]`).field("egress.allowed_cidrs"))
	r.check("a port shows null for the end and the protocol that it was not given",
		`[{"cidr":"192.0.2.0/24","ports":[{"end_port":null,"port":443,"protocol":null}]}]`,
		update(`"allowed_cidrs": [{"cidr": "192.0.2.0/24", "ports": [{"port": 443}]}]`).field("egress.allowed_cidrs"))

	for _, refused := range []struct{ what, fields string }{
		{"an unknown field in an update", `"no_such_field": true`},
		{"a blank name", `"name": "  "`},
		{"a wildcard that is not in the first label", `"allowed_hostnames": ["api.*.example.com"]`},
		{"a host name with a space", `"allowed_hostnames": ["api example.com"]`},
		{"an empty host name", `"allowed_hostnames": [""]`},
		{"a CIDR with host bits", `"allowed_cidrs": [{"cidr": "192.0.2.1/24"}]`},
		{"a CIDR of IPv6", `"allowed_cidrs": [{"cidr": "2001:db8::/32"}]`},
		{"port 0", `"allowed_cidrs": [{"cidr": "192.0.2.0/24", "ports": [{"port": 0}]}]`},
		{"an end_port below the port", `"allowed_cidrs": [{"cidr": "192.0.2.0/24", "ports": [{"port": 443, "end_port": 442}]}]`},
		{"a protocol other than TCP and UDP", `"allowed_cidrs": [{"cidr": "192.0.2.0/24", "ports": [{"port": 443, "protocol": "ICMP"}]}]`},
	} {
		r.check(refused.what+" is refused with 400", "400", update(refused.fields).code())
	}
	// This may delete the policy, so it is last.
	r.check("a field in the body of a delete is refused with 400", "400", r.post(policy(sample.id())+"/delete", `{"no_such_field": true}`).code())
}

func (r *run) deletes() {
	name := r.name()
	created := r.mustCreate(name, full)
	id := created.id()
	r.check("a delete returns the policy as it was", "nothing has changed", r.post(policy(id)+"/delete", `{}`).since(created))
	r.check("a deleted policy is in no list", "not there", r.get(policies+"?name="+name).has(id))
	r.check("a get of a deleted policy is 404", "404, not found", r.get(policy(id)).with("not found"))
	r.check("a second delete is 404", "404, not found", r.post(policy(id)+"/delete", `{}`).with("not found"))
	r.check("a starting_after that is deleted is refused with 400", "400", r.get(policies+"?starting_after="+url.QueryEscape(id)).code())
	again := r.create(name, full)
	r.check("the name of a deleted policy is free again", "200", again.code())
	r.check("a delete does not need a body", "nothing has changed", r.post(policy(again.id())+"/delete", "").since(again))
}

// unknownPolicies are checks that create nothing.
func (r *run) unknownPolicies() {
	refusal := r.get(policy(r.unknown("npol")))
	success := r.get(policies + "?limit=1")
	r.check("a get of an unknown ID is 404", "404, not found", refusal.with("not found"))
	r.check("an update of an unknown ID is 404", "404, not found", r.post(policy(r.unknown("npol")), `{"description": "new"}`).with("not found"))
	r.check("a delete of an unknown ID is 404", "404, not found", r.post(policy(r.unknown("npol"))+"/delete", `{}`).with("not found"))
	r.check("an ID of another form is 404", "404, not found", r.get(policy("no such id")).with("not found"))
	r.check("a path with a slash at its end is 404", "404", r.get(policies+"/").code())
	r.check("a method that a path does not have is 405", "405", r.send(http.MethodDelete, policy(r.unknown("npol")), "").code())
	r.check("an unknown starting_after is refused with 400", "400", r.get(policies+"?starting_after="+r.unknown("npol")).code())
	r.check("limit 5000 is accepted", "200", r.get(policies+"?limit=5000&include_total_count=false").code())
	r.check("limit 5001 is refused with 400", "400", r.get(policies+"?limit=5001").code())
	r.check("limit 0 is refused with 400", "400", r.get(policies+"?limit=0").code())
	r.check("a limit that is not a number is refused with 400", "400", r.get(policies+"?limit=many").code())
	r.check("an include_total_count that is not a boolean is refused with 400", "400", r.get(policies+"?limit=1&include_total_count=yes").code())
	r.check("a repeated parameter is refused with 400", "400", r.get(policies+"?limit=1&limit=2").code())

	const header = "X-Runloop-Request-Id"
	of := func(res response) string { return fmt.Sprint(res.header.Get(header) != "") }
	r.check("every response has an X-Runloop-Request-Id of its own", "true, true, true",
		of(success)+", "+of(refusal)+", "+fmt.Sprint(success.header.Get(header) != refusal.header.Get(header)))
	r.check("every response has a Date", "true", fmt.Sprint(success.header.Get("Date") != ""))
	r.check("the body of a refusal has a message", "true", fmt.Sprint(fields(refusal.body)["message"] != ""))
	r.check("responses are application/json, refusals too", "application/json, application/json", success.contentType()+", "+refusal.contentType())
	_, err := r.client.NetworkPolicies.List(r.ctx, runloop.NetworkPolicyListParams{Limit: 1}, runloop.WithAPIKey("runloop-go-live-no-key"))
	r.check("a wrong key is refused with 401", "true", fmt.Sprint(errors.Is(err, runloop.ErrUnauthorized)))
}
