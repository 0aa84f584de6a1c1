package runlooptest

import (
	"fmt"
	"net/http"
	"strings"
)

// An apiError is a refusal: it becomes the status, headers and body of the response.
type apiError struct {
	status  int
	code    string
	message string
	header  http.Header
}

func (e *apiError) Error() string { return e.message }

// errorBody is the shape of the API's error bodies. The message is what clients
// rely on; the codes are this fake's own words, since Runloop documents none.
type errorBody struct {
	Error   string `json:"error"`
	Message string `json:"message"`
}

func badRequest(format string, args ...any) *apiError {
	return &apiError{
		status:  http.StatusBadRequest,
		code:    "bad_request",
		message: fmt.Sprintf(format, args...),
	}
}

func (a *API) unknownPolicy(id string) *apiError {
	return &apiError{
		status:  a.config.unknownIDStatus,
		code:    "not_found",
		message: fmt.Sprintf("Network policy with id %q not found", id),
	}
}

// unknownDevbox is a 400 and not a 404, as in the live API.
func unknownDevbox(id string) *apiError {
	return &apiError{
		status:  http.StatusBadRequest,
		code:    "not_found",
		message: fmt.Sprintf("Devbox with id %q not found", id),
	}
}

func (a *API) nameTaken(name string) *apiError {
	return &apiError{
		status:  a.config.conflictStatus,
		code:    "already_exists",
		message: fmt.Sprintf("Network policy with name %q already exists", name),
	}
}

func policyInUse(id string) *apiError {
	return &apiError{
		status:  http.StatusBadRequest,
		code:    "in_use",
		message: fmt.Sprintf("Network policy %q is in use by active devboxes", id),
	}
}

func policyLimitReached(limit int) *apiError {
	return &apiError{
		status:  http.StatusBadRequest,
		code:    "limit_exceeded",
		message: fmt.Sprintf("The account's limit of %d network policies is reached", limit),
	}
}

// noRoute refuses a path that does not exist, or a method that the path has not.
func noRoute(allowed []string) *apiError {
	if len(allowed) == 0 {
		return &apiError{
			status:  http.StatusNotFound,
			code:    "unknown_path",
			message: "No such path",
		}
	}
	return &apiError{
		status:  http.StatusMethodNotAllowed,
		code:    "method_not_allowed",
		message: "The path does not have this method",
		header:  http.Header{"Allow": {strings.Join(allowed, ", ")}},
	}
}
