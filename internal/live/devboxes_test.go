package live

import (
	"fmt"
	"net/url"
	"time"
)

// small keeps the cost low, even of a devbox that cannot be shut down.
const small = `"resource_size_request": "X_SMALL", "keep_alive_time_seconds": 300`

const unknownBlueprint = "bp_unknown"

const reserved = `"metadata": {"a/b?c=d&e": "100% \"é\" <x> \\"}`

// unknownDevboxes are checks that launch nothing.
func (r *run) unknownDevboxes() {
	const running = `{"statuses": ["running"], "timeout_seconds": 1}`
	r.check("a get of an unknown devbox is 400", "400, not found", r.get(devbox(r.unknown("dbx"))).with("not found"))
	r.check("a wait for an unknown devbox is 400", "400, not found", r.post(devbox(r.unknown("dbx"))+"/wait_for_status", running).with("not found"))
	r.check("a shutdown of an unknown devbox is 400", "400, not found", r.post(devbox(r.unknown("dbx"))+"/shutdown", "").with("not found"))
	r.check("an unknown starting_after in devboxes is refused with 400", "400", r.get(devboxes+"?starting_after="+r.unknown("dbx")).code())
	r.check("an unknown status in devboxes is refused with 400", "400", r.get(devboxes+"?status=no_such_status").code())
	r.check("limit 5001 of devboxes is refused with 400", "400", r.get(devboxes+"?limit=5001").code())
	r.check("limit 0 of devboxes is refused with 400", "400", r.get(devboxes+"?limit=0").code())
	for _, status := range []string{"queued", "provisioning", "initializing", "running"} {
		r.check("devboxes can be listed by the status "+status, "200", r.get(devboxes+"?limit=1&status="+status).code())
	}
	r.err = noOccasion("it is left to a person: launch a devbox under a policy that allows *.amazonaws.com alone, and run " +
		"`curl -sS -o /dev/null https://HOST` in it for the HOSTs s3.amazonaws.com (one label), " +
		"s3.us-east-1.amazonaws.com (two) and amazonaws.com (none)")
	r.check("how many labels * covers in a host name", "not enforced", "")
}

// oneDevbox are checks with one devbox, which is shut down midway.
func (r *run) oneDevbox() {
	used, ignored := r.mustCreate(r.name(), "").id(), r.mustCreate(r.name(), "").id()
	launch := `"launch_parameters": {"network_policy_id": "` + used + `", ` + small + `}, ` + reserved +
		`, "environment_variables": {"SECRET": "s"}`
	box := r.launch(launch + `, "network_policy_id": "` + ignored + `"`)
	outside := box.code() + ", deleted: "
	if r.err == nil && !box.ok() {
		box = r.launch(launch)
	}
	id := r.need(box).id()
	ownPolicy := func(res response) string {
		if value := res.field("launch_parameters.network_policy_id"); value != text(used) {
			return value
		}
		return "the policy"
	}
	r.check("a policy outside of the launch parameters is ignored", "200, deleted: 200", outside+r.post(policy(ignored)+"/delete", `{}`).code())
	r.check("a create shows the policy of the devbox", "the policy", ownPolicy(box))
	r.check("a create shows the metadata, reserved characters included", "all of it", box.echoes(reserved))
	r.check("a create shows no environment variables", "absent", box.field("environment_variables.SECRET"))
	r.check("a devbox ID begins with dbx_", "dbx_", id[:min(4, len(id))])
	r.check("a new devbox is provisioning", `"provisioning"`, box.field("status"))
	r.check("the time of a new devbox is in Unix milliseconds", "now, null", box.now("create_time_ms")+", "+box.field("end_time_ms"))
	found := "not there"
	for _, status := range []string{"queued", "provisioning", "initializing", "running"} {
		if list := r.get(devboxes + "?limit=5000&status=" + status); list.has(id) == "there" {
			found = "there"
			break
		}
	}
	r.check("a new devbox is in the list of its status immediately", "there", found)

	start := time.Now()
	held := r.post(devbox(id)+"/wait_for_status", `{"statuses": ["suspended"], "timeout_seconds": 2}`)
	r.check("a wait is held for timeout_seconds, then it is 408", "408 after 2s", held.code()+" after "+time.Since(start).Round(time.Second).String())
	if r.err == nil {
		_, r.err = r.client.Devboxes.AwaitRunning(r.ctx, id)
	}
	running := r.need(r.get(devbox(id)))
	r.check("a devbox starts running, with its policy and its metadata", `"running", the policy, all of it`,
		running.field("status")+", "+ownPolicy(running)+", "+running.echoes(reserved))
	r.check("a wait for the present status returns immediately", "200", r.post(devbox(id)+"/wait_for_status", `{"statuses": ["running"]}`).code())
	for _, invalid := range []struct{ what, body string }{
		{"without statuses", `{"statuses": []}`},
		{"for an unknown status", `{"statuses": ["no_such_status"]}`},
		{"of 0 seconds", `{"statuses": ["running"], "timeout_seconds": 0}`},
		{"of 31 seconds", `{"statuses": ["running"], "timeout_seconds": 31}`},
	} {
		r.check("a wait "+invalid.what+" is refused with 400", "400", r.post(devbox(id)+"/wait_for_status", invalid.body).code())
	}
	r.check("a wait of 30 seconds is accepted", "200", r.post(devbox(id)+"/wait_for_status", `{"statuses": ["running"], "timeout_seconds": 30}`).code())
	newest := r.get(devboxes + "?limit=1")
	r.check("a list has the newest devbox first", "there", newest.has(id))
	r.check("a list of devboxes counts them by default", "true", fmt.Sprint(newest.field("total_count") != "absent"))
	r.check("include_total_count=false omits the count of devboxes", "absent", r.get(devboxes+"?limit=1&include_total_count=false").field("total_count"))
	r.check("a running devbox is in the list of its status", "there", r.get(devboxes+"?limit=5000&status=running").has(id))
	r.check("starting_after omits the devbox itself", "not there", r.get(devboxes+"?limit=5000&starting_after="+url.QueryEscape(id)).has(id))
	r.check("a policy in use cannot be deleted", "400, in use", r.post(policy(used)+"/delete", `{}`).with("in use"))

	shutdown := devbox(id) + "/shutdown"
	ended := r.post(shutdown, "")
	r.check("a devbox that is shut down has the status shutdown immediately", `"shutdown", "api_shutdown", now`,
		ended.field("status")+", "+ended.field("shutdown_reason")+", "+ended.now("end_time_ms"))
	r.check("a second shutdown is accepted", "200", r.post(shutdown, "").code())
	r.check("a devbox that has ended can be read", `"shutdown"`, r.get(devbox(id)).field("status"))
	r.check("a wait for a devbox that has ended is held", "408", r.post(devbox(id)+"/wait_for_status", `{"statuses": ["running"], "timeout_seconds": 1}`).code())
	r.check("a devbox that has ended is in lists", "there", r.get(devboxes+"?limit=5000&status=shutdown").has(id))
	r.check("a devbox that has ended is not in the list of its former status", "not there", r.get(devboxes+"?limit=5000&status=running").has(id))
	r.check("a cursor whose devbox no longer matches is accepted", "200", r.get(devboxes+"?status=running&starting_after="+url.QueryEscape(id)).code())
	r.check("once its devbox is shut down, a policy can be deleted", "200", r.post(policy(used)+"/delete", `{}`).code())
}

// refusedDevboxes are checks that launch a devbox if the API accepts what it should refuse.
func (r *run) refusedDevboxes() {
	for _, refused := range []struct{ what, fake, fields string }{
		{"an unknown policy", "400, not found", `"launch_parameters": {"network_policy_id": "` + r.unknown("npol") + `", ` + small + `}`},
		{"an unknown blueprint", "400, not found", `"blueprint_id": "` + unknownBlueprint + `", "launch_parameters": {` + small + `}`},
		{"an unknown name of a blueprint", "400, not found", `"blueprint_name": "` + r.name() + `", "launch_parameters": {` + small + `}`},
		{"a blueprint and a snapshot", "400", `"blueprint_id": "` + unknownBlueprint + `", "snapshot_id": "snp_unknown", "launch_parameters": {` + small + `}`},
	} {
		r.check("a launch from "+refused.what+" is refused with 400", refused.fake, r.launch(refused.fields).with("not found"))
	}
}
