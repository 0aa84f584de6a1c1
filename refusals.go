package runloop

import (
	"errors"
	"regexp"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// This file decides what an error response means beyond its status. Runloop documents no
// error codes, and the live API reports some unknown IDs with status 400. If the status is
// not conclusive, the words of the API's own message decide.

// messageWith returns a test for messages that contain one of the words, after removing the
// phrases in which the words mean something else.
func messageWith(words, not string) func(string) bool {
	found, takenBack := regexp.MustCompile(`\b(?:`+words+`)\b`), regexp.MustCompile(`\b(?:`+not+`)\b`)
	return func(message string) bool {
		return found.MatchString(takenBack.ReplaceAllString(message, ""))
	}
}

var (
	messageNotFound = messageWith(
		`not found|(?:not|cannot|can't|couldn't) be found|(?:cannot|can't|could not|couldn't|unable to|failed to) (?:find|locate)|`+
			`(?:do|does|did)(?: not|n't) exists?|no longer exists?|no such|non ?existent|`+
			`no (?:network )?polic(?:y|ies) (?:\w+ ){0,4}(?:found|exists?)|unknown (?:network )?(?:policy|id)`,
		// These are not the policy: what it names, who calls, and what a gateway looks for.
		`(?:no such )?(?:host ?names?|hosts?|domains?|cidrs?|routes?|endpoints?|versions?|accounts?|users?|organi[sz]ations?|tenants?|projects?|api keys?)\b.*`,
	)
	messageNameTaken = messageWith(
		`exists|already (?:exist|in use|used)|taken|(?:not|isn't|be) unique|unique (?:constraint|name|index)|non unique`,
		`no (?:\w+ ){0,6}exists|no longer exists|(?:not|\w+n't) exists|(?:not|never|isn't) (?:\w+ ){0,2}taken|taken (?:too|place|from|over|down)|`+
			// The parts of a policy must be unique, too.
			`(?:host ?names?|cidrs?|ports?|entries|idempotency key) (?:\S+ ){0,3}(?:exists?|in use|used|taken|unique)`,
	)
	messageInUse = messageWith(
		`in (?:active )?use|(?:being|still|currently|is|are) used|used by|(?:still|currently) (?:use|uses|using)|(?:is|are) using|`+
			`attached to|referenced by|(?:active|running|attached) devbox(?:es)?`,
		// An unquoted name can contain "not", and a policy that "must not be in use" is in use.
		`(?:can|could) ?not be used|(?:no|not|never|without|isn't|aren't) (?:(?:longer|currently|actively|being|been|yet|other|devbox(?:es)?|is|are) ){0,3}`+
			`(?:in use|used|use|uses|using|attached|referenced|(?:active|running|attached) devbox(?:es)?)`,
	)
	messageLimit = messageWith(
		`limits?|quotas?|maximum (?:number|of)|too many (?:network )?policies|(?:at most|up to|more than|only) (?:\w+ ){0,2}\d+ (?:network )?policies`,
		`rate limit(?:s|ed|ing)?|limits? (?:must|should|has to)|invalid limits?|`+
			// The parts of a policy have limits, too.
			`(?:time|`+parts+`)\b[^.;,]{0,40}?\b(?:limits?|quotas?|maximum (?:number|of))|`+
			`(?:limits?|quotas?|maximum (?:number|of))\b[^.;:,]{0,40}?\b(?:`+parts+`|requests?|seconds?|minutes?)|`+
			`(?:name|description|body|payload|concurrency) (?:\w+ ){0,3}(?:limits?|quotas?|maximum (?:number|of))|too (?:long|large|big)\b.*`,
	)
)

// parts match the parts and the measures of a policy that have limits.
const parts = `host ?names?|cidrs?|ports?|rules?|entries|items|characters?|bytes|length|size`

var (
	// errGone is ErrNotFound for an ID that the caller did not give.
	errGone = errors.New("gone")
	// errDevboxGone is internal: Shutdown turns it into a success.
	errDevboxGone = errors.New("devbox is gone")
)

// unknownID returns the refusal of a request with an ID or a cursor.
func unknownID(err error, notInDoubt bool) engine.Refusal {
	return engine.Refusal{Err: err, Statuses: []int{404}, MessageStatuses: []int{400}, MatchMessage: messageNotFound, NotInDoubt: notInDoubt}
}

var (
	notFound = unknownID(ErrNotFound, false)
	// After an attempt that may have been applied, a lookup decides, because the "not found"
	// can be the effect of that attempt or come from a load balancer.
	notFoundByWrite = unknownID(ErrNotFound, true)
	// For IDs that the caller did not give: cursors of the SDK, and policies that Prune or
	// Apply found. A list then shows whether the policy is gone.
	gone = unknownID(errGone, false)
	// Only a message of the API proves that a devbox is gone.
	devboxGone = engine.Refusal{
		Err:             errDevboxGone,
		MessageStatuses: []int{400, 404},
		MatchMessage:    messageNotFound,
	}
	nameTaken = engine.Refusal{
		Err:             ErrNameTaken,
		MessageStatuses: []int{400, 409},
		MatchMessage:    messageNameTaken,
		SilentStatuses:  []int{409},
	}
	policyInUse = engine.Refusal{
		Err:             ErrPolicyInUse,
		MessageStatuses: []int{400, 409},
		MatchMessage:    messageInUse,
		SilentStatuses:  []int{400}, // the contract has no other 400 for a delete
	}
	policyLimit = engine.Refusal{
		Err:             ErrPolicyLimit,
		MessageStatuses: []int{400, 402, 403, 409, 422},
		MatchMessage:    messageLimit,
	}

	createRefusals = []engine.Refusal{nameTaken, policyLimit}
	renameRefusals = []engine.Refusal{nameTaken, notFoundByWrite}
	updateRefusals = []engine.Refusal{notFoundByWrite}
	deleteRefusals = []engine.Refusal{policyInUse, notFoundByWrite}
	pruneRefusals  = []engine.Refusal{policyInUse, gone}
	byIDRefusals   = []engine.Refusal{notFound}
	goneRefusals   = []engine.Refusal{gone}
)
