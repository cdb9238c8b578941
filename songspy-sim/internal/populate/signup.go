package populate

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"

	"github.com/songspy/songspy/songspy-sim/internal/spotify"
	"github.com/songspy/songspy/songspy-sim/internal/token"
)

// signUpPerson signs person n in; Songspy signs up a new person. Then it links the person's
// Spotify account, unless one is linked already. It sets the nickname that the person
// chooses, unless the person has one already or chooses none. signUpPerson counts the
// completed steps in result.
func (p *Populator) signUpPerson(ctx context.Context, n int, result *Result) error {
	me, err := p.client.SignIn(ctx, n, p.opts.Invite)
	if err != nil {
		return err
	}
	atomic.AddInt64(&result.SignedIn, 1)
	if !me.HasSpotify {
		if err := p.link(ctx, n, me.Token); err != nil {
			return err
		}
		atomic.AddInt64(&result.Linked, 1)
	}
	if me.NickName != nil {
		return nil
	}
	nickname, err := p.client.Nickname(ctx, n)
	if err != nil || nickname == "" {
		return err
	}
	edit := "/users/" + strconv.FormatInt(me.ID, 10) + "/edit"
	if err := p.client.Call(ctx, http.MethodPost, edit, me.Token, map[string]string{"nickName": nickname}, nil); err != nil {
		return err
	}
	atomic.AddInt64(&result.Named, 1)
	return nil
}

// link links the Spotify account of person n by an authorization code. People with odd
// numbers use PKCE.
func (p *Populator) link(ctx context.Context, n int, bearer string) error {
	query := url.Values{
		"client_id": {spotify.ClientID}, "response_type": {"code"}, "scope": {spotify.ListeningScopes.String()},
	}
	body := map[string]string{"redirectUri": p.opts.SpotifyRedirect}
	if n%2 == 1 {
		verifier := rand.Text() + rand.Text()
		query.Set("code_challenge", token.Challenge(verifier))
		query.Set("code_challenge_method", "S256")
		body["codeVerifier"] = verifier
	}
	parameters, err := p.client.Consent(ctx, "/spotify/accounts/authorize", n, p.opts.SpotifyRedirect, query)
	if err != nil {
		return fmt.Errorf("page of spotify: %w", err)
	}
	body["code"] = parameters.Get("code")
	return p.client.Call(ctx, http.MethodPost, "/spotify-auth", bearer, body, nil)
}
