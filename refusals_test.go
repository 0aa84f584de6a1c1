package runloop_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// messages are messages of the API, by the sentinel that they mean for one operation.
type messages map[string][]string

func TestWhatAMessageMeans(t *testing.T) {
	t.Parallel()
	const none, bad, conflict = "", "ErrBadRequest", "ErrConflict"
	for name, tt := range map[string]struct {
		call     clienttest.PolicyCall
		status   int
		messages messages
	}{
		"create, 400": {clienttest.CreateCall, 400, messages{
			"ErrNameTaken": {
				"Network policy with name 'build' already exists", `Network policy with name "build" already exists`,
				"Name already exists or is invalid", "A policy with this name ALREADY EXISTS.", "name_already_exists", "policy exists",
				"The name is already taken", "name is already in use", "name already used", "name must be unique",
				"The name isn’t unique", "Policy names are not unique: 'build'",
				"duplicate key value violates unique constraint \"policies_name_key\"",
				"Network policy 'no such policy' already exists",
			},
			"ErrPolicyLimit": {
				"The account's limit of 100 network policies is reached", "Policy limit reached", "network_policy_limit_exceeded",
				"Quota exceeded for network policies", "You have reached the maximum number of network policies (100)",
				"maximum of 100 policies per account", "too many network policies", "You can have at most 100 network policies",
				"Accounts cannot have more than 100 policies", "cannot create policy named build: account limit reached",
			},
			none: {
				"hostname example.com does not exist", "hostname 'example.com' does not exist",
				"The host example.com could not be found", "no policy with this name exists", "policy does not exist",
				"policy doesn't exists", "the name is not taken", "the action cannot be completed: the name has not been taken",
				"The request has taken too long", "Invalid API version", "Invalid name", "name: 'limit exists' is invalid",
				"name “already exists” is reserved", "`taken` is not a hostname", "hostnames must be unique",
				"hostname github.com already exists in allowed_hostnames", "allowed_cidrs: entries must be unique",
				"this idempotency key is already in use", "limit must be positive", "rate limit exceeded", "You are rate-limited",
				"Rate limits apply", "name: length limit exceeded", "name exceeds the limit of 255 characters",
				"name is too long: limit is 255 characters", "maximum number of hostnames exceeded",
				"allowed_hostnames exceeds the limit of 10000", "limit of 10000 hostnames exceeded", "maximum of 100 CIDRs per policy",
				"the limit is 60 requests per minute", "name exceeds limit of 64", "name too long: limit is 64",
				"Policy name limit is 100", "description is over the limit", "request body limit exceeded",
				"payload too large: limit is 1048576", "concurrency limit reached", "unlimited policies are not available",
			},
		}},
		"create, 409": {clienttest.CreateCall, 409, messages{
			"ErrNameTaken":   {"Network policy already exists", "name taken", "Conflict: name is not unique"},
			"ErrPolicyLimit": {"policy limit reached"},
			none: {
				"request in progress", "account is being migrated", "Conflict", "concurrent modification, try again",
				"an identical request is being processed",
			},
		}},
		"create, 402": {clienttest.CreateCall, 402, messages{
			"ErrPolicyLimit": {"policy quota exceeded: upgrade your plan"},
			none:             {"payment required", "name already exists"},
		}},
		"create, 403": {clienttest.CreateCall, 403, messages{
			"ErrPolicyLimit": {"Your plan's limit of 100 network policies is reached"},
			none:             {"Account does not have devbox capability", "rate limited", "already exists"},
		}},
		"create, 422": {clienttest.CreateCall, 422, messages{
			"ErrPolicyLimit": {"too many policies"},
			none:             {"name already exists", "not found", "too many hostnames"},
		}},
		"create, 429": {clienttest.CreateCall, 429, messages{none: {"rate limit exceeded", "policy limit reached"}}},
		"create, 404": {clienttest.CreateCall, 404, messages{none: {"no Route matched with those values", "not found", "already exists"}}},
		"update, 400": {clienttest.UpdateCall, 400, messages{
			"ErrNameTaken": {"Network policy with name 'build' already exists", "Name is taken"},
			"ErrNotFound": {
				"Network policy with id 'npol_1' not found", "NetworkPolicy npol_1 not found.", "no such network policy",
				"The policy does not exist", "The policy doesn’t exist", "policy doesnt exist, it doesn't exists",
				"the network policy no longer exists", "network policy could not be found", "network policy cannot be found",
				"could not find policy", "Unable to locate network policy npol_1", "unknown network policy", "UNKNOWN_POLICY",
				"no policy found", "No network policy with this id exists", "nonexistent policy",
				"policy npol_1 not found in account acc_1",
			},
			none: {
				"hostname example.com does not exist", "hostname \"example.com\" does not exist", "The domain could not be found",
				"API version not found", "account not found", "this organization does not exist",
				"policy limit reached", // which an update cannot meet
				"invalid parameters", "the policy was found", "description 'not found' is reserved",
			},
		}},
		"update, 409": {clienttest.UpdateCall, 409, messages{
			"ErrNameTaken": {"name already exists"},
			none:           {"request in progress", "network policy not found"},
		}},
		"get, 400": {clienttest.GetCall, 400, messages{
			"ErrNotFound": {"Network policy not found", "no such id: npol_1", "unknown id"},
			none:          {"invalid id", "already exists", "in use", "no route matched", "no such host: api"},
		}},
		"delete, 400": {clienttest.DeleteCall, 400, messages{
			"ErrPolicyInUse": {
				"Policy is in use by active devboxes", "Network policy 'build' is in use by active devboxes",
				"Network policy 'tenant dns not found' is in use", "Network policy tenant-dns-not-found is in use", "POLICY_IN_USE",
				"policy is still in-use", "The policy is being used", "the policy is currently used by 2 devboxes",
				"2 devboxes are using this policy", "policy is attached to dbx_1", "policy is referenced by a devbox",
				"policy has active devboxes", "cannot delete: 1 active devbox", "must not be used by active devboxes to be deleted",
				"policy must not be in use", "a policy should not be in use when it is deleted",
			},
			"ErrNotFound": {"Network policy not found", "The policy 'in use' does not exist", "the policy is not in use: no such policy"},
			none: {
				"Invalid API version", "API version 1 is no longer in use", "invalid id", "the policy is not in use",
				"no active devboxes", "without active devboxes there is nothing to do", "version 'in use' is invalid", "useful message",
			},
		}},
		"delete, 409": {clienttest.DeleteCall, 409, messages{
			"ErrPolicyInUse": {"in use", "the policy is in use by active devboxes"},
			none:             {"request in progress", "account is being migrated", "not found"},
		}},
		"delete, 403": {clienttest.DeleteCall, 403, messages{none: {"in use", "not found"}}},
		"list, 400":   {clienttest.ListCall, 400, messages{none: {"not found", "already exists", "in use"}}},
		"list, 404":   {clienttest.ListCall, 404, messages{none: {"no Route matched with those values", "not found"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for meaning, texts := range tt.messages {
				var want []string
				switch tt.status {
				case 400:
					want = append(want, bad)
				case 403:
					want = append(want, "ErrForbidden")
				case 409:
					want = append(want, conflict)
				case 429:
					want = append(want, "ErrRateLimited")
				}
				if meaning != none {
					want = append(want, meaning)
				}
				for _, text := range texts {
					message, err := json.Marshal(text)
					assert.NoError(t, err)
					for _, body := range []string{
						fmt.Sprintf(`{"message":%s}`, message),
						fmt.Sprintf(`{"message":%s,"error":"code","request_id":"req_1"}`, message),
						fmt.Sprintf(`{"error":%s}`, message),
						fmt.Sprintf(`{"error":{"message":%s}}`, message),
					} {
						err := clienttest.FailWith(t, tt.call, clienttest.Respond(tt.status, body))
						assert.ElementsMatch(t, want, clienttest.Sentinels(err), "%s", body)
					}
				}
			}
		})
	}
}

// Only the API's own message counts.
func TestOtherTextsMeanNothing(t *testing.T) {
	t.Parallel()
	const words = "network policy not found, already exists, in use, limit reached"
	for name, tt := range map[string]struct{ contentType, body string }{
		"a page":                       {"text/html", "<html>" + words + "</html>"},
		"a page that is called JSON":   {"application/json", "<html>" + words + "</html>"},
		"text":                         {"text/plain", words},
		"text without a type":          {"", words},
		"truncated JSON":               {"application/json", `{"message":"` + words},
		"truncated JSON after it":      {"application/json", `{"message":"` + words + `"`},
		"JSON and more":                {"application/json", `{"message":"` + words + `"} {}`},
		"a JSON string":                {"application/json", `"` + words + `"`},
		"a JSON array":                 {"application/json", `["` + words + `"]`},
		"a message of another name":    {"application/json", `{"detail":"` + words + `"}`},
		"errors":                       {"application/json", `{"errors":[{"message":"` + words + `"}]}`},
		"a code":                       {"application/json", `{"message":"no","code":"` + words + `"}`},
		"a code alone, and a title":    {"application/json", `{"code":"in use","title":"` + words + `"}`},
		"a page, quoted in a message":  {"application/json", `{"message":"upstream: \"` + words + `\""}`},
		"a body longer than the limit": {"application/json", `{"message":"` + words + `"` + fmt.Sprintf("%70000s", "}")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, call := range clienttest.PolicyCalls {
				for status, want := range map[int]string{400: "ErrBadRequest", 403: "ErrForbidden", 409: "ErrConflict"} {
					err := clienttest.FailWith(t, call, clienttest.RespondWith(status, tt.body, http.Header{"Content-Type": {tt.contentType}}))
					assert.Equal(t, []string{want}, clienttest.Sentinels(err), "%s, %d", call.Name, status)
				}
			}
		})
	}
}

// Without a message, only the contract's single 400 for a delete and the live API's 409 for
// a create are conclusive.
func TestWhatAResponseWithoutAMessageMeans(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"nothing":         "",
		"blanks":          "  \r\n",
		"an empty object": `{}`,
		"null":            `null`,
		"a code":          `{"code":"E17","request_id":"req_1"}`,
		"no text":         `{"status":400,"message":"","error":null}`,
		"an empty error":  `{"error":{}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, call := range clienttest.PolicyCalls {
				for status, want := range map[int][]string{400: {"ErrBadRequest"}, 403: {"ErrForbidden"}, 404: {}, 409: {"ErrConflict"}, 422: {}} {
					switch {
					case status == 400 && call.Name == "delete":
						want = append(want, "ErrPolicyInUse")
					case status == 409 && (call.Name == "create" || call.Name == "update"):
						want = append(want, "ErrNameTaken")
					case status == 404 && call.Name != "create" && call.Name != "list":
						want = append(want, "ErrNotFound")
					}
					err := clienttest.FailWith(t, call, clienttest.Respond(status, body))
					assert.Equal(t, want, clienttest.Sentinels(err), "%s, %d", call.Name, status)
				}
			}
		})
	}
}
