package runlooptest

import (
	"net/http"
	"strings"
)

// authorize refuses a request without a usable bearer token with 401, and any other
// with 403 when the account lacks the capability. It never repeats what the client
// sent.
func (a *API) authorize(header http.Header) error {
	token, ok := bearerToken(header)
	if !ok || a.config.apiKey != "" && token != a.config.apiKey {
		return &apiError{
			status:  http.StatusUnauthorized,
			code:    "unauthorized",
			message: "Invalid or missing authentication",
			header:  http.Header{"Www-Authenticate": {"Bearer"}},
		}
	}
	if a.config.withoutCapability {
		return &apiError{
			status:  http.StatusForbidden,
			code:    "forbidden",
			message: "Account does not have devbox capability",
		}
	}
	return nil
}

func bearerToken(header http.Header) (string, bool) {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}
