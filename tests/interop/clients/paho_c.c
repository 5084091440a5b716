/* Paho C (MQTTAsync), led by lines on its input: the dialogue is described in lib/puppet.mjs. */

#include <MQTTAsync.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int succeeded, failed_code, granted, session_present;
static char failed_why[256];

static void begin(void) {
  pthread_mutex_lock(&lock);
  succeeded = 0;
  failed_code = 0;
  failed_why[0] = 0;
  pthread_mutex_unlock(&lock);
}

static void success(int qos, int present) {
  pthread_mutex_lock(&lock);
  succeeded += 1;
  granted = qos;
  session_present = present;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
}

static void failure(int code, const char* why) {
  pthread_mutex_lock(&lock);
  failed_code = code == 0 ? -1 : code;
  snprintf(failed_why, sizeof failed_why, "%s", why ? why : "");
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
}

/* Waits for `count` successes or a failure; 1 when all succeeded. */
static int settled(int count) {
  pthread_mutex_lock(&lock);
  while (succeeded < count && failed_code == 0) pthread_cond_wait(&changed, &lock);
  int good = failed_code == 0;
  pthread_mutex_unlock(&lock);
  return good;
}

static void on_connected(void* context, MQTTAsync_successData* data) {
  (void)context;
  success(0, data->alt.connect.sessionPresent);
}
static void on_connected5(void* context, MQTTAsync_successData5* data) {
  (void)context;
  success(0, data->alt.connect.sessionPresent);
}
static void on_subscribed(void* context, MQTTAsync_successData* data) {
  (void)context;
  success(data->alt.qos, 0);
}
static void on_subscribed5(void* context, MQTTAsync_successData5* data) {
  (void)context;
  success((int)data->reasonCode, 0);
}
static void on_done(void* context, MQTTAsync_successData* data) {
  (void)context;
  (void)data;
  success(0, 0);
}
static void on_done5(void* context, MQTTAsync_successData5* data) {
  (void)context;
  (void)data;
  success(0, 0);
}
static void on_failed(void* context, MQTTAsync_failureData* data) {
  (void)context;
  failure(data ? data->code : -1, data ? data->message : NULL);
}
static void on_failed5(void* context, MQTTAsync_failureData5* data) {
  (void)context;
  failure(data ? (data->reasonCode ? (int)data->reasonCode : data->code) : -1,
          data ? data->message : NULL);
}

static int on_message(void* context, char* topic, int topic_length, MQTTAsync_message* message) {
  (void)context;
  (void)topic_length;
  pthread_mutex_lock(&lock);
  printf("message\t%d\t%s\t%.*s\n", message->qos, topic, message->payloadlen,
         (const char*)message->payload);
  fflush(stdout);
  pthread_mutex_unlock(&lock);
  MQTTAsync_freeMessage(&message);
  MQTTAsync_free(topic);
  return 1;
}

static void answer(const char* line) {
  pthread_mutex_lock(&lock);
  printf("%s\n", line);
  fflush(stdout);
  pthread_mutex_unlock(&lock);
}

static void answer_failed(const char* what, int code) {
  char line[512];
  snprintf(line, sizeof line, "failed\t%s: %d %s", what, code, failed_why);
  answer(line);
}

struct login {
  const char *url, *ca, *user_name, *password;
  int version;
};

static int do_connect(MQTTAsync client, const struct login* login, int resume) {
  MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
  tls.trustStore = login->ca;
  tls.enableServerCertAuth = 1;
  tls.verify = 1;
  MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
  MQTTAsync_connectOptions options5 = MQTTAsync_connectOptions_initializer5;
  MQTTProperties properties = MQTTProperties_initializer;
  int v5 = login->version == 5;
  if (v5) {
    options = options5;
    options.cleanstart = !resume;
    MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
    expiry.value.integer4 = resume ? 300 : 0;
    MQTTProperties_add(&properties, &expiry);
    options.connectProperties = &properties;
    options.onSuccess5 = on_connected5;
    options.onFailure5 = on_failed5;
  } else {
    options.cleansession = !resume;
    options.onSuccess = on_connected;
    options.onFailure = on_failed;
  }
  options.MQTTVersion = login->version;
  options.keepAliveInterval = 60;
  options.connectTimeout = 10;
  options.username = login->user_name;
  options.password = login->password;
  if (strncmp(login->url, "ssl", 3) == 0 || strncmp(login->url, "wss", 3) == 0) options.ssl = &tls;
  begin();
  int code = MQTTAsync_connect(client, &options);
  int good = code == MQTTASYNC_SUCCESS && settled(1);
  MQTTProperties_free(&properties);
  if (!good) failed_code = failed_code ? failed_code : code;
  return good;
}

static MQTTAsync_responseOptions response_options(int v5, int subscribing) {
  MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
  if (v5) {
    options.onSuccess5 = subscribing ? on_subscribed5 : on_done5;
    options.onFailure5 = on_failed5;
  } else {
    options.onSuccess = subscribing ? on_subscribed : on_done;
    options.onFailure = on_failed;
  }
  return options;
}

static int do_publish(MQTTAsync client, int v5, char* words[]) {
  int count = atoi(words[4]);
  begin();
  for (int i = 0; i < count; i++) {
    char payload[128];
    int length = snprintf(payload, sizeof payload, "%s-%d", words[3], i);
    MQTTAsync_responseOptions options = response_options(v5, 0);
    int code = MQTTAsync_send(client, words[1], length, payload, atoi(words[2]), 0, &options);
    if (code != MQTTASYNC_SUCCESS) failure(code, "MQTTAsync_send");
  }
  return settled(count);
}

static int do_disconnect(MQTTAsync client, int v5) {
  MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
  MQTTAsync_disconnectOptions options5 = MQTTAsync_disconnectOptions_initializer5;
  if (v5) {
    options = options5;
    options.onSuccess5 = on_done5;
    options.onFailure5 = on_failed5;
  } else {
    options.onSuccess = on_done;
    options.onFailure = on_failed;
  }
  options.timeout = 5000;
  begin();
  int code = MQTTAsync_disconnect(client, &options);
  return code == MQTTASYNC_SUCCESS && settled(1);
}

static void obey(MQTTAsync client, const struct login* login, char* words[]) {
  int v5 = login->version == 5;
  char line[64];
  if (strcmp(words[0], "connect") == 0) {
    if (!do_connect(client, login, atoi(words[1]))) return answer_failed("connect", failed_code);
    snprintf(line, sizeof line, "connected\t%d", session_present);
    answer(line);
  } else if (strcmp(words[0], "subscribe") == 0) {
    MQTTAsync_responseOptions options = response_options(v5, 1);
    begin();
    int code = MQTTAsync_subscribe(client, words[1], atoi(words[2]), &options);
    if (code != MQTTASYNC_SUCCESS || !settled(1)) return answer_failed("subscribe", failed_code);
    snprintf(line, sizeof line, "subscribed\t%d", granted);
    answer(line);
  } else if (strcmp(words[0], "publish") == 0) {
    if (!do_publish(client, v5, words)) return answer_failed("publish", failed_code);
    snprintf(line, sizeof line, "published\t%s", words[4]);
    answer(line);
  } else if (strcmp(words[0], "disconnect") == 0) {
    if (!do_disconnect(client, v5)) return answer_failed("disconnect", failed_code);
    answer("disconnected");
  }
}

int main(int argc, char* argv[]) {
  if (argc != 7) return fprintf(stderr, "URL CA CLIENT_ID USERNAME PASSWORD VERSION\n"), 2;
  struct login login = {argv[1], argv[2], argv[4], argv[5], atoi(argv[6])};
  MQTTAsync_init_options init = MQTTAsync_init_options_initializer;
  init.do_openssl_init = 1;
  MQTTAsync_global_init(&init);
  MQTTAsync client;
  MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
  MQTTAsync_createOptions create5 = MQTTAsync_createOptions_initializer5;
  int code = MQTTAsync_createWithOptions(&client, login.url, argv[3], MQTTCLIENT_PERSISTENCE_NONE,
                                         NULL, login.version == 5 ? &create5 : &create);
  if (code != MQTTASYNC_SUCCESS) return fprintf(stderr, "create: %d\n", code), 1;
  MQTTAsync_setCallbacks(client, NULL, NULL, on_message, NULL);
  char line[1024];
  while (fgets(line, sizeof line, stdin)) {
    char* words[5] = {"", "", "", "", ""};
    line[strcspn(line, "\n")] = 0;
    int n = 0;
    for (char* word = strtok(line, "\t"); word && n < 5; word = strtok(NULL, "\t"))
      words[n++] = word;
    obey(client, &login, words);
  }
  MQTTAsync_destroy(&client);
  return 0;
}
