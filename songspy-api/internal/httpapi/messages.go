package httpapi

import (
	"fmt"

	"golang.org/x/text/language"
)

// message is a text for users, in English and in Korean. A %s stands for the detail of the
// error: the name of a field, or the missing scopes.
type message struct{ english, korean string }

// messageByCode holds the message of each error.code.
var messageByCode = map[string]message{
	"INVALID_REQUEST":        {"The request is not valid.", "요청이 올바르지 않습니다."},
	"COMMON_ERROR":           {"Something went wrong on the server. Please try again later.", "서버에 문제가 생겼습니다. 잠시 후 다시 시도해 주세요."},
	"UNAUTHORIZED":           {"Please sign in.", "로그인이 필요합니다."},
	"TOKEN_EXPIRED":          {"The token has expired. Get a new one with the refresh token.", "토큰이 만료되었습니다. 리프레시 토큰으로 새 토큰을 받아 주세요."},
	"SESSION_ENDED":          {"The session has ended. Please sign in again.", "세션이 종료되었습니다. 다시 로그인해 주세요."},
	"FORBIDDEN":              {"You do not have permission to do this.", "권한이 없습니다."},
	"NOT_FOUND":              {"Not found.", "찾을 수 없습니다."},
	"METHOD_NOT_ALLOWED":     {"This method is not allowed here.", "이 주소에서는 쓸 수 없는 메서드입니다."},
	"CONFLICT":               {"The request conflicts with existing data.", "이미 있는 데이터와 충돌합니다."},
	"GONE":                   {"It no longer exists.", "더 이상 존재하지 않습니다."},
	"UNPROCESSABLE":          {"The request is well formed but cannot be carried out.", "요청을 처리할 수 없습니다."},
	"BODY_TOO_LARGE":         {"The body is larger than 64 KiB.", "요청 본문이 64 KiB를 넘습니다."},
	"HEADERS_TOO_LARGE":      {"The address and the header fields together are larger than 16 KiB.", "요청 주소와 헤더의 크기가 합쳐서 16 KiB를 넘습니다."},
	"UNSUPPORTED_MEDIA_TYPE": {"The body must be application/json in UTF-8.", "요청 본문은 UTF-8로 된 application/json이어야 합니다."},
	"RATE_LIMITED":           {"Too many requests. Please wait a moment.", "요청이 너무 많습니다. 잠시 후 다시 시도해 주세요."},
	"UNAVAILABLE":            {"The service is not available right now. Please try again shortly.", "지금은 서비스를 이용할 수 없습니다. 잠시 후 다시 시도해 주세요."},

	"GOOGLE_TOKEN_INVALID":  {"Google does not accept this token. Please sign in again.", "Google에서 유효하지 않은 토큰입니다. 다시 로그인해 주세요."},
	"GOOGLE_TOKEN_FOREIGN":  {"This Google token was issued to another application.", "다른 앱에 발급된 Google 토큰입니다."},
	"GOOGLE_UNAVAILABLE":    {"Google is not available right now. Please try again shortly.", "Google이 응답하지 않습니다. 잠시 후 다시 시도해 주세요."},
	"REFRESH_TOKEN_INVALID": {"The refresh token is not valid. Please sign in again.", "리프레시 토큰이 올바르지 않습니다. 다시 로그인해 주세요."},
	"REFRESH_TOKEN_REUSED":  {"The refresh token was used before, so the session was ended. Please sign in again.", "이미 사용된 리프레시 토큰이어서 세션을 종료했습니다. 다시 로그인해 주세요."},
	"INVITE_REQUIRED":       {"Signing up needs an invite. Please ask the operator for one.", "가입하려면 초대 코드가 필요합니다. 운영자에게 요청해 주세요."},
	"INVITE_INVALID":        {"This invite is not valid or has expired. Please check it or ask for another.", "올바르지 않거나 더 이상 쓸 수 없는 초대 코드입니다. 코드를 확인하거나 새로 요청해 주세요."},
	"SIGN_UP_CLOSED":        {"Only users on the operator's list can sign up. Please ask the operator.", "운영자가 등록한 사용자만 가입할 수 있습니다. 운영자에게 문의해 주세요."},

	"SIGN_IN_BY_REDIRECT_OFF": {"This service does not support signing in this way.", "이 서비스에서는 이 방법으로 로그인할 수 없습니다."},
	"OPEN_IN_BROWSER":         {"You cannot sign in with Google inside this app. Please open this address in a browser such as Chrome or Safari.", "이 앱 안에서는 Google 로그인을 할 수 없습니다. Chrome, Safari 같은 브라우저에서 이 주소를 열어 주세요."},
	"AUTHORIZATION_EXPIRED":   {"This attempt has expired or was used before. Please start again.", "시간이 지났거나 이미 사용된 요청입니다. 처음부터 다시 시도해 주세요."},
	"AUTHORIZATION_ELSEWHERE": {"This was started in another browser or session. Please start again here.", "다른 브라우저나 세션에서 시작된 요청입니다. 여기에서 처음부터 다시 시도해 주세요."},
	"AUTHORIZATION_DENIED":    {"The sign-in or the linking was cancelled. To continue, please start again.", "취소되었습니다. 계속하려면 다시 시도해 주세요."},
	"CROSS_ORIGIN":            {"A page of another site sent this request. Please use this service's own page.", "다른 사이트에서 보낸 요청입니다. 이 서비스의 페이지를 이용해 주세요."},

	"TOO_MANY_EMBEDS":       {"You have 20 images and overlays together, which is the most. Please revoke one first.", "이미지와 오버레이는 합쳐서 20개까지 만들 수 있습니다. 먼저 하나를 취소해 주세요."},
	"TOO_MANY_HIDDEN_ITEMS": {"You hide 1,000 artists and tracks, which is the most. Please show some of them again first.", "아티스트와 곡은 합쳐서 1,000개까지 숨길 수 있습니다. 먼저 일부를 다시 보이게 해 주세요."},

	"SPOTIFY_CODE_INVALID":     {"Spotify does not accept this code. Please link again.", "Spotify에서 유효하지 않은 코드입니다. 다시 연결해 주세요."},
	"SPOTIFY_APP_REFUSED":      {"Spotify rejects this service's app. Please tell the operator to check its client ID and secret.", "Spotify가 이 서비스의 앱을 거부했습니다. 클라이언트 ID와 시크릿을 확인하도록 운영자에게 알려 주세요."},
	"SPOTIFY_LINKED_ELSEWHERE": {"This Spotify account is linked to another user. Link again with \"move\" to move it to you.", "다른 사용자에게 연결된 Spotify 계정입니다. 옮기려면 \"move\"와 함께 다시 연결해 주세요."},
	"SPOTIFY_NO_SEAT":          {"All Spotify apps of this service are full. Request a seat to join the waiting list.", "지금은 이 서비스의 Spotify 앱에 빈자리가 없습니다. 자리를 신청하면 대기 목록에 등록됩니다."},
	"SPOTIFY_USER_APP_REFUSED": {"Spotify does not know this app, or it needs a secret. Check its client ID.", "Spotify에 등록되지 않았거나 시크릿이 필요한 앱입니다. 클라이언트 ID를 확인해 주세요."},
	"SPOTIFY_USER_APPS_OFF":    {"This service does not accept user-supplied Spotify apps.", "이 서비스에서는 직접 만든 Spotify 앱을 쓸 수 없습니다."},
	"SPOTIFY_SEAT_NOT_ASKED":   {"No seat was requested.", "신청한 자리가 없습니다."},
	"SPOTIFY_SEAT_NOT_NEEDED":  {"No seat is needed. Please link now.", "자리를 신청할 필요가 없습니다. 바로 연결해 주세요."},
	"SPOTIFY_SCOPES_MISSING":   {"Spotify permissions are missing: %s.", "필요한 Spotify 권한이 빠졌습니다: %s"},
	"SPOTIFY_UNAVAILABLE":      {"Spotify is not available right now. Please link again later.", "지금은 Spotify에 연결할 수 없습니다. 잠시 후 다시 시도해 주세요."},
	"SPOTIFY_NOT_LINKED":       {"No Spotify account is linked.", "연결된 Spotify 계정이 없습니다."},
	"SPOTIFY_NOT_REGISTERED":   {"The app's owner has to register this Spotify account first. Request a seat with its e-mail address. Once it is registered, try again; you do not need to sign in to Spotify again.", "앱 관리자가 먼저 이 Spotify 계정을 등록해야 합니다. Spotify 이메일 주소로 자리를 신청해 주세요. 등록된 뒤에 다시 시도하면 됩니다. Spotify에 다시 로그인할 필요는 없습니다."},
	"WEBHOOK_URL_INVALID":      {"The address must begin with https:// and must not be that of a private network.", "주소는 https://로 시작해야 하고 사설 네트워크 주소일 수 없습니다."},
	"NICKNAME_INVALID":         {"A nickname has 1 to 30 characters.", "닉네임은 1자 이상 30자 이하여야 합니다."},
}

// grantNotStored is the message of SPOTIFY_NOT_REGISTERED if the grant (the tokens) of Spotify
// was not stored. The usual message says that the user need not sign in to Spotify again, which
// is not true then.
var grantNotStored = message{"The app's owner has to register this Spotify account first. Nothing has changed. Request a seat with its e-mail address. Once it is registered, link it again.", "앱 관리자가 먼저 이 Spotify 계정을 등록해야 합니다. 지금 연결 상태는 바뀌지 않았습니다. Spotify 이메일 주소로 자리를 신청해 주세요. 등록된 뒤에 다시 연결해 주세요."}

// fieldByCode holds the invalid field of each error.code that always concerns the same field.
var fieldByCode = map[string]string{
	"NICKNAME_INVALID": "nickName", "WEBHOOK_URL_INVALID": "url", "INVITE_REQUIRED": "invite", "INVITE_INVALID": "invite", "SPOTIFY_CODE_INVALID": "code",
	"GOOGLE_TOKEN_INVALID": "accessToken", "GOOGLE_TOKEN_FOREIGN": "accessToken",
	"REFRESH_TOKEN_INVALID": "refreshToken", "REFRESH_TOKEN_REUSED": "refreshToken",
}

// fieldProblem is what is wrong with a field of a request.
type fieldProblem int

const (
	problemMissing fieldProblem = iota
	problemUnknownField
	problemWrongType
	problemTooLong
	problemTooShort
	problemUnknownValue
	problemInvalidJSON
	problemOther
)

// problemMessages holds the message of each problem; %s stands for the field.
var problemMessages = map[fieldProblem]message{
	problemMissing:      {"The field %s is missing.", "%s 값이 없습니다."},
	problemUnknownField: {"The field %s is unknown.", "%s 필드는 쓸 수 없습니다."},
	problemWrongType:    {"The field %s has the wrong type.", "%s 값의 형식이 올바르지 않습니다."},
	problemTooLong:      {"The field %s is too long.", "%s 값이 너무 깁니다."},
	problemTooShort:     {"The field %s is too short.", "%s 값이 너무 짧습니다."},
	problemUnknownValue: {"The value of the field %s is unknown.", "%s 값은 쓸 수 없습니다."},
	problemInvalidJSON:  {"The %s of the request is not valid JSON.", "요청 %s가 올바른 JSON이 아닙니다."},
	problemOther:        {"The field %s is not valid.", "%s 값이 올바르지 않습니다."},
}

// fieldError is the cause of an error about one field of the request.
type fieldError struct {
	name    string
	problem fieldProblem
}

// Field returns the name of the field.
func (f fieldError) Field() string { return f.name }

// Error returns the English message, for the log.
func (f fieldError) Error() string { return fmt.Sprintf(problemMessages[f.problem].english, f.name) }

var languageMatcher = language.NewMatcher([]language.Tag{language.English, language.Korean})

// forLanguage returns the message in Korean if the header Accept-Language prefers it,
// else in English.
func (m message) forLanguage(acceptLanguage string) string {
	if prefersKorean(acceptLanguage) {
		return m.korean
	}
	return m.english
}

func prefersKorean(acceptLanguage string) bool {
	if acceptLanguage == "" {
		return false
	}
	preferred, _, err := language.ParseAcceptLanguage(acceptLanguage)
	_, index, _ := languageMatcher.Match(preferred...)
	return err == nil && index == 1
}
