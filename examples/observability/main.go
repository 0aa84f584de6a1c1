// Command observability shows what the SDK does for a call: a log event and a span
// for each attempt, below a span of the program's own.
//
// The log is log/slog, by runloop.WithLogger. The spans are OpenTelemetry's, from
// otelhttp as the transport below the SDK: the SDK itself depends on neither.
//
// With RUNLOOP_API_KEY set, it reads from the real API. Without, a fake answers, and
// refuses the first attempt.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spanPrinter{out}))
	defer func() { err = errors.Join(err, provider.Shutdown(ctx)) }()

	opts := []runloop.Option{
		runloop.WithLogger(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		runloop.WithHTTPClient(tracedClient(provider)),
	}
	if os.Getenv("RUNLOOP_API_KEY") == "" {
		server := runlooptest.NewServer()
		defer server.Close()
		server.Inject(runlooptest.ListNetworkPolicies, runlooptest.Status(http.StatusServiceUnavailable))
		opts = append(opts, runloop.WithBaseURL(server.URL), runloop.WithAPIKey("any"))
	}
	client, err := runloop.NewClient(opts...)
	if err != nil {
		return err
	}
	return listPolicies(ctx, client, provider.Tracer("example"))
}

// tracedClient sends each attempt in a span of its own. To keep the connections of
// many goroutines, it raises net/http's limit of two idle ones a host.
func tracedClient(provider trace.TracerProvider) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = 0
	transport.MaxIdleConnsPerHost = 256
	return &http.Client{Transport: otelhttp.NewTransport(transport, otelhttp.WithTracerProvider(provider))}
}

func listPolicies(ctx context.Context, client *runloop.Client, tracer trace.Tracer) error {
	ctx, span := tracer.Start(ctx, "list policies")
	defer span.End()
	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{}) {
		if err != nil {
			span.RecordError(err) // no error shows the API key
			return err
		}
		span.AddEvent(policy.Name)
	}
	return nil
}
