package main

import (
	"context"
	"fmt"
	"io"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// A spanPrinter writes one line for each span. A program in earnest would use an
// exporter of OTLP here.
type spanPrinter struct{ out io.Writer }

func (p spanPrinter) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, span := range spans {
		var status string
		for _, a := range span.Attributes() {
			if a.Key == "http.response.status_code" {
				status = " " + a.Value.String()
			}
		}
		kind := "span"
		if span.Parent().IsValid() {
			kind = "  child span"
		}
		fmt.Fprintf(p.out, "%s %q%s of trace %s\n", kind, span.Name(), status, span.SpanContext().TraceID())
	}
	return nil
}

func (p spanPrinter) Shutdown(context.Context) error { return nil }
