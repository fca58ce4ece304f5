package clicks;

import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.ApplicationRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.stream.function.StreamBridge;
import org.springframework.context.annotation.Bean;
import org.springframework.integration.aws.support.AwsHeaders;
import org.springframework.messaging.Message;
import org.springframework.messaging.support.MessageBuilder;

/** Sends clicks to a stream and prints those that come. Its configuration names the stream. */
@SpringBootApplication
public class Application {
    public static void main(String[] arguments) {
        SpringApplication.run(Application.class, arguments);
    }

    // docs: code
    public record Click(String user, int number) {}

    @Bean
    ApplicationRunner sender(StreamBridge bridge, @Value("${first:0}") int first) {
        return arguments -> IntStream.range(first, first + 20)
                .mapToObj(number -> new Click("user-" + number % 4, number))
                .map(click -> MessageBuilder.withPayload(click).setHeader("user", click.user()))
                .forEach(message -> bridge.send("sent-clicks", message.build()));
    }

    @Bean
    Consumer<Message<Click>> clicks() {
        return message -> print(message.getHeaders().get(AwsHeaders.SHARD), message.getPayload());
    }
    // docs: end

    private static void print(Object shard, Click click) {
        System.out.printf(
                "{\"shard\": \"%s\", \"user\": \"%s\", \"number\": %d}%n",
                shard, click.user(), click.number());
    }
}
