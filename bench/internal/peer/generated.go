//go:build peers

package peer

var generated = []Peer{
	{Ogen, newOgen},
	{OapiCodegen, newOapiCodegen},
}
