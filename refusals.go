package runloop

import (
	"errors"
	"regexp"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// What an error response means beside its status. Runloop documents no error codes: the
// contract has statuses alone, and the live API reports some unknown IDs with 400. So a
// meaning needs words, in the API's own message, wherever the status leaves it open.

// saying returns a test for messages in which one of the words is found that is
// not taken back by one of the others.
func saying(words, not string) func(string) bool {
	found, takenBack := regexp.MustCompile(`\b(?:`+words+`)\b`), regexp.MustCompile(`\b(?:`+not+`)\b`)
	return func(message string) bool {
		return found.MatchString(takenBack.ReplaceAllString(message, ""))
	}
}

var (
	saysNotFound = saying(
		`not found|(?:not|cannot|can't|couldn't) be found|(?:cannot|can't|could not|couldn't|unable to|failed to) (?:find|locate)|`+
			`(?:do|does|did)(?: not|n't) exists?|no longer exists?|no such|non ?existent|`+
			`no (?:network )?polic(?:y|ies) (?:\w+ ){0,4}(?:found|exists?)|unknown (?:network )?(?:policy|id)`,
		// What a policy names, who calls, and what a gateway looks for is not the policy.
		`(?:no such )?(?:host ?names?|hosts?|domains?|cidrs?|routes?|endpoints?|versions?|accounts?|users?|organi[sz]ations?|tenants?|projects?|api keys?)\b.*`,
	)
	saysNameTaken = saying(
		`exists|already (?:exist|in use|used)|taken|(?:not|isn't|be) unique|unique (?:constraint|name|index)|non unique`,
		`no (?:\w+ ){0,6}exists|no longer exists|(?:not|\w+n't) exists|(?:not|never|isn't) (?:\w+ ){0,2}taken|taken (?:too|place|from|over|down)|`+
			// The parts of a policy have to be unique too.
			`(?:host ?names?|cidrs?|ports?|entries|idempotency key) (?:\S+ ){0,3}(?:exists?|in use|used|taken|unique)`,
	)
	saysInUse = saying(
		`in (?:active )?use|(?:being|still|currently|is|are) used|used by|(?:still|currently) (?:use|uses|using)|(?:is|are) using|`+
			`attached to|referenced by|(?:active|running|attached) devbox(?:es)?`,
		// A name that is not quoted can have a "not" in it, and what must not be in use is.
		`(?:can|could) ?not be used|(?:no|not|never|without|isn't|aren't) (?:(?:longer|currently|actively|being|been|yet|other|devbox(?:es)?|is|are) ){0,3}`+
			`(?:in use|used|use|uses|using|attached|referenced|(?:active|running|attached) devbox(?:es)?)`,
	)
	saysLimit = saying(
		`limits?|quotas?|maximum (?:number|of)|too many (?:network )?policies|(?:at most|up to|more than|only) (?:\w+ ){0,2}\d+ (?:network )?policies`,
		`rate limit(?:s|ed|ing)?|limits? (?:must|should|has to)|invalid limits?|`+
			// The parts of a policy have limits too.
			`(?:time|`+parts+`)\b[^.;,]{0,40}?\b(?:limits?|quotas?|maximum (?:number|of))|`+
			`(?:limits?|quotas?|maximum (?:number|of))\b[^.;:,]{0,40}?\b(?:`+parts+`|requests?|seconds?|minutes?)|`+
			`(?:name|description|body|payload|concurrency) (?:\w+ ){0,3}(?:limits?|quotas?|maximum (?:number|of))|too (?:long|large|big)\b.*`,
	)
)

// parts are what a policy has many of, or much.
const parts = `host ?names?|cidrs?|ports?|rules?|entries|items|characters?|bytes|length|size`

// errGone is ErrNotFound for what the caller did not name.
var errGone = errors.New("gone")

var (
	notFound = engine.Refusal{
		Err:          ErrNotFound,
		Statuses:     []int{404},
		SaysStatuses: []int{400},
		Says:         saysNotFound,
	}
	nameTaken = engine.Refusal{
		Err:            ErrNameTaken,
		SaysStatuses:   []int{400, 409},
		Says:           saysNameTaken,
		SilentStatuses: []int{409},
	}
	policyInUse = engine.Refusal{
		Err:            ErrPolicyInUse,
		SaysStatuses:   []int{400, 409},
		Says:           saysInUse,
		SilentStatuses: []int{400}, // the only 400 that the contract has for a delete
	}
	policyLimit = engine.Refusal{
		Err:          ErrPolicyLimit,
		SaysStatuses: []int{400, 402, 403, 409, 422},
		Says:         saysLimit,
	}
	// After an attempt that may have been applied, only a lookup tells the API's "not
	// found" from a load balancer's.
	notFoundByWrite = engine.Refusal{
		Err:          ErrNotFound,
		Statuses:     notFound.Statuses,
		SaysStatuses: notFound.SaysStatuses,
		Says:         notFound.Says,
		NotInDoubt:   true,
	}
	// A devbox is believed to be gone only from the API's own words.
	devboxGone = engine.Refusal{
		Err:          errDevboxGone,
		SaysStatuses: []int{400, 404},
		Says:         saysNotFound,
	}

	// An ID of which the caller knows nothing: a cursor of the SDK's own, or a policy
	// that Prune or Apply found. A list then shows whether it is so.
	gone = engine.Refusal{
		Err:          errGone,
		Statuses:     notFound.Statuses,
		SaysStatuses: notFound.SaysStatuses,
		Says:         notFound.Says,
	}

	createRefusals = []engine.Refusal{nameTaken, policyLimit}
	renameRefusals = []engine.Refusal{nameTaken, notFoundByWrite}
	updateRefusals = []engine.Refusal{notFoundByWrite}
	deleteRefusals = []engine.Refusal{policyInUse, notFoundByWrite}
	pruneRefusals  = []engine.Refusal{policyInUse, gone}
	byIDRefusals   = []engine.Refusal{notFound}
	goneRefusals   = []engine.Refusal{gone}
)

// errDevboxGone is not for users: a lookup turns it into a success.
var errDevboxGone = errors.New("devbox is gone")
