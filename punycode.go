package runloop

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// punycodeHost returns a host name with each international label in its xn-- form. It
// returns false if that needs the tables of UTS 46, which the standard library lacks.
func punycodeHost(hostname string) (ascii string, ok bool) {
	if len(hostname) > maxHostname {
		return "", false
	}
	labels := strings.Split(hostname, ".")
	for i, label := range labels {
		var lower []rune
		isASCII := true
		for _, r := range label {
			l := unicode.ToLower(r)
			isASCII = isASCII && r < utf8.RuneSelf
			// If ToUpper does not restore the letter, ToLower changed more than the case.
			if r >= utf8.RuneSelf && (!unicode.Is(stableLetters, l) || l != r && unicode.ToUpper(l) != r) {
				return "", false
			}
			lower = append(lower, l)
		}
		if !isASCII {
			labels[i] = "xn--" + punycode(lower)
		}
	}
	return strings.Join(labels, "."), true
}

// stableLetters are the lower-case letters, in the scripts of most international names,
// that neither UTS 46 nor normalization changes. They exclude letters that IDNA 2003 and
// IDNA 2008 treat differently, such as the German sharp s.
var stableLetters = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x00e0, Hi: 0x00f6, Stride: 1},
		{Lo: 0x00f8, Hi: 0x00ff, Stride: 1},
		{Lo: 0x0101, Hi: 0x0131, Stride: 2},
		{Lo: 0x0135, Hi: 0x0137, Stride: 2},
		{Lo: 0x013a, Hi: 0x013e, Stride: 2},
		{Lo: 0x0142, Hi: 0x0148, Stride: 2},
		{Lo: 0x014b, Hi: 0x0177, Stride: 2},
		{Lo: 0x017a, Hi: 0x017e, Stride: 2},
		{Lo: 0x03ac, Hi: 0x03af, Stride: 1},
		{Lo: 0x03b1, Hi: 0x03c1, Stride: 1},
		{Lo: 0x03c3, Hi: 0x03ce, Stride: 1},
		{Lo: 0x0430, Hi: 0x045f, Stride: 1},
		{Lo: 0x05d0, Hi: 0x05ea, Stride: 1},
		{Lo: 0x3041, Hi: 0x3096, Stride: 1},
		{Lo: 0x30a1, Hi: 0x30fa, Stride: 1},
		{Lo: 0x30fc, Hi: 0x30fc, Stride: 1},
		{Lo: 0x4e00, Hi: 0x9fff, Stride: 1},
		{Lo: 0xac00, Hi: 0xd7a3, Stride: 1},
	},
}

// punycode encodes a label as in RFC 3492, section 6.3. A label is too short for an
// overflow.
func punycode(label []rune) string {
	const base, tMin, tMax, skew, damp, initialBias, initialN = 36, 1, 26, 38, 700, 72, 128
	var out []byte
	for _, r := range label {
		if r < initialN {
			out = append(out, byte(r))
		}
	}
	basic := len(out)
	if basic > 0 {
		out = append(out, '-')
	}
	n, delta, bias := rune(initialN), 0, initialBias
	for handled := basic; handled < len(label); n++ {
		next := rune(unicode.MaxRune)
		for _, r := range label {
			if r >= n {
				next = min(next, r)
			}
		}
		delta += int(next-n) * (handled + 1)
		n = next
		for _, r := range label {
			if r < n {
				delta++
			}
			if r != n {
				continue
			}
			q := delta
			for k := base; ; k += base {
				t := min(max(k-bias, tMin), tMax)
				if q < t {
					out = append(out, digit(q))
					break
				}
				out = append(out, digit(t+(q-t)%(base-t)))
				q = (q - t) / (base - t)
			}
			// Adapt the bias.
			first := handled == basic
			handled++
			if first {
				delta /= damp
			} else {
				delta /= 2
			}
			delta += delta / handled
			k := 0
			for ; delta > (base-tMin)*tMax/2; k += base {
				delta /= base - tMin
			}
			bias = k + (base-tMin+1)*delta/(delta+skew)
			delta = 0
		}
		delta++
	}
	return string(out)
}

// digit returns the punycode digit of a value below 36.
func digit(value int) byte { return "abcdefghijklmnopqrstuvwxyz0123456789"[value] }
